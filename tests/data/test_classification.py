"""Accuracy and loss of both sets after each epoch, on the embedded classification data."""

import json

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, DefaultScope

from mmresneskt.data.classification import CrossEntropy
from mmresneskt.data.parcels import KINDS, write_crops
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import ROOT, run_tool

CONFIG = ROOT / "configs" / "resneskt_parcels10.py"
MEAN = np.array([123.675, 116.28, 103.53])
STD = np.array([58.395, 57.12, 57.375])


def test_cross_entropy_is_torchs():
    logits = torch.randn(7, 10, generator=torch.Generator().manual_seed(0)) * 5
    labels = torch.arange(7)
    metric = CrossEntropy()
    for scores, label in zip(logits.softmax(1), labels):
        metric.process(None, [dict(pred_score=scores, gt_label=label[None])])
    found = metric.evaluate(7)["cross_entropy/mean"]
    assert found == pytest.approx(F.cross_entropy(logits.double(), labels).item(), rel=1e-5)


def test_a_score_of_zero_is_a_large_loss_not_an_infinite_one():
    metric = CrossEntropy()
    metric.process(None, [dict(pred_score=torch.tensor([1.0, 0.0]), gt_label=torch.tensor([1]))])
    assert 80 < metric.evaluate(1)["cross_entropy/mean"] < 100


def test_crops_are_square_named_after_their_kind_and_extend_a_shorter_set(tmp_path):
    few = write_crops(tmp_path / "few", 12, size=24, seed=3)
    more = write_crops(tmp_path / "more", 20, size=24, seed=3)
    other = write_crops(tmp_path / "other", 12, size=24, seed=4)
    assert sorted(p.name for p in few.iterdir()) == sorted(KINDS)
    names = {p.relative_to(few) for p in few.rglob("*.jpg")}
    assert len(names) == 12
    assert len(list(more.rglob("*.jpg"))) == 20
    for name in names:
        assert cv2.imread(str(few / name)).shape == (24, 24, 3)
        assert (few / name).read_bytes() == (more / name).read_bytes()
    assert names != {p.relative_to(other) for p in other.rglob("*.jpg")}


@pytest.mark.parametrize(("number", "size"), [(0, 24), (5, 15)])
def test_crops_refuse_what_cannot_be_drawn(tmp_path, number, size):
    with pytest.raises(ValueError, match="is not allowed"):
        write_crops(tmp_path / "crops", number, size=size)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three epochs on 30 crops of 48 pixels, through the command."""
    folder = tmp_path_factory.mktemp("classifier")
    sets = dict(
        train_dataloader=30, val_dataloader=20, test_dataloader=20, val_cfg_train_dataloader=30
    )
    options = ["train_cfg.max_epochs=3", "default_hooks.checkpoint.max_keep_ckpts=9"]
    for key, number in sets.items():
        key = key.replace("val_cfg_", "val_cfg.")
        options += [f"{key}.dataset.num_images={number}", f"{key}.dataset.size=48"]
        options += [f"{key}.num_workers=0", f"{key}.batch_size=8"]
    result = run_tool("train", CONFIG, "--work-dir", "wd", "--cfg-options", *options, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def evaluate(model, folder):
    """Top-1 in per cent and mean cross-entropy in float64, by plain means."""
    right, loss, number = 0, 0.0, 0
    for label, kind in enumerate(sorted(KINDS)):
        for file in sorted((folder / kind).glob("*.jpg")):
            image = (cv2.imread(str(file))[..., ::-1] - MEAN) / STD
            with torch.no_grad():
                logits = model(torch.from_numpy(image.transpose(2, 0, 1))[None])
            right += int(logits.argmax() == label)
            loss += F.cross_entropy(logits, torch.tensor([label])).item()
            number += 1
    return 100 * right / number, loss / number


def test_every_epochs_log_holds_what_its_weights_give_on_both_sets(trained):
    lines = [
        json.loads(line)
        for log in (trained / "wd").glob("*/vis_data/scalars.json")
        for line in log.read_text().splitlines()
    ]
    logged = {line["step"]: line for line in lines if "accuracy/top1" in line}
    assert sorted(logged) == [1, 2, 3]
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(load_config(str(CONFIG)).model)
    model.double().eval()
    for epoch, line in logged.items():
        checkpoint = torch.load(trained / "wd" / f"epoch_{epoch}.pth", weights_only=False)
        model.load_state_dict(checkpoint["state_dict"])
        for prefix, folder in (("", "crops_seed1_20x48"), ("train/", "crops_seed0_30x48")):
            accuracy, loss = evaluate(model, trained / "data/parcels" / folder)
            assert line[f"{prefix}accuracy/top1"] == pytest.approx(accuracy, abs=1e-3)
            assert line[f"{prefix}cross_entropy/mean"] == pytest.approx(loss, rel=1e-3)


def test_the_run_leaves_its_curves_and_its_checkpoint_tests_alike(trained):
    assert cv2.imread(str(trained / "wd" / "curves.png")).std() > 10
    options = [f"test_dataloader.{key}" for key in ("num_workers=0", "dataset.num_images=20")]
    result = run_tool("test", CONFIG, "wd/epoch_3.pth", "--cfg-options", *options, cwd=trained)
    assert result.returncode == 0, result.stderr
    assert "cross_entropy/mean" in result.stdout + result.stderr
