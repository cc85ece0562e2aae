"""Both sets are evaluated by the same weights, and the training goes on as if by none."""

import json

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.registry import DATASETS, HOOKS

import mmresneskt.data.classification  # noqa: F401
from tests.support.toy_run import ToySet, config, losses, train

EMA = dict(type="EMAHook", momentum=0.1)


@DATASETS.register_module(force=True)
class SteadySet(ToySet):
    """Its samples are the same each time."""

    fails = False

    def __getitem__(self, index):
        if self.fails:
            raise RuntimeError("this image is broken")
        return dict(super().__getitem__(index), x=torch.full((4,), index / self.length))


def loader(cfg):
    return dict(cfg.val_dataloader, dataset=dict(type="SteadySet"))


def run(folder, *hooks, epochs=3, **options):
    cfg = config(folder, length=epochs, custom_hooks=[dict(type="LossFileHook"), *hooks])
    cfg.experiment_name = str(folder)  # mmengine gives a run its visualizer by this name
    cfg.val_dataloader = loader(cfg)
    cfg.val_cfg = dict(type="TrainAndTestLoop", train_dataloader=loader(cfg))
    return train(cfg, **options)


def logged(folder):
    """(on the training images, on the test images) after each epoch."""
    (file,) = folder.glob("*/vis_data/scalars.json")
    lines = map(json.loads, file.read_text().splitlines())
    return [(line["train/mean"], line["mean"]) for line in lines if "mean" in line]


def test_the_averaged_weights_are_evaluated_on_both_and_the_raw_ones_trained(tmp_path):
    runner = run(tmp_path / "averaged", EMA)
    found = logged(tmp_path / "averaged")
    assert len(found) == 3
    assert all(on_train == on_test for on_train, on_test in found)  # the two sets are the same
    checkpoint = torch.load(tmp_path / "averaged/epoch_3.pth", weights_only=False)
    runner.model.load_state_dict(checkpoint["state_dict"])  # the averaged ones, as EMAHook has it
    inputs = torch.arange(24)[:, None].expand(24, 4) / 24
    expected = runner.model.eval().layers(inputs).mean().item()
    assert found[-1][0] == pytest.approx(expected, rel=1e-5)
    run(tmp_path / "raw")
    assert logged(tmp_path / "raw")[-1] != found[-1]
    assert losses(tmp_path / "raw") == losses(tmp_path / "averaged")


def test_the_weights_come_back_when_the_evaluation_fails(tmp_path, monkeypatch):
    weights = {}

    @HOOKS.register_module(force=True)
    class Breaks(EMAHook):
        def before_val_epoch(self, runner):
            weights[self.src_model] = self.src_model.layers[0].weight.clone()
            super().before_val_epoch(runner)
            monkeypatch.setattr(SteadySet, "fails", True)

    with pytest.raises(RuntimeError, match="this image is broken"):
        run(tmp_path, dict(type="Breaks", momentum=0.1))
    ((model, before),) = weights.items()
    assert torch.equal(model.layers[0].weight, before)


def test_a_run_that_goes_on_is_the_one_that_was_not_stopped(tmp_path):
    run(tmp_path / "whole", epochs=3)
    run(tmp_path / "parts", epochs=2)
    # from before the last epoch's evaluation
    run(tmp_path / "parts", epochs=3, resume=str(tmp_path / "parts/epoch_2.pth"))
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
