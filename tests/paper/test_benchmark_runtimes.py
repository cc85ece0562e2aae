"""An exported model is timed beside PyTorch on the same images, doing the same work."""

import argparse
import functools
import json

import numpy as np
import pytest
import torch

from mmresneskt.cli import call
from mmresneskt.cli.arguments import add_model_arguments
from mmresneskt.cli.trained import Trained
from mmresneskt.paper.benchmark.runtimes import runtime_steps
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.onnx.reader import OnnxModel
from tests.support.small_models import CLASSES, CLASSIFIER, DEPTH, PARCELS, save_model, scene

pytest.importorskip("onnxruntime")


def work_folder(folder, config):
    """With three images, a checkpoint, and the file exported from it."""
    dataset = "test_dataloader.dataset"
    data = {f"{dataset}.num_images": 3, f"{dataset}.data_root": str(folder / "data")}
    (folder / "run").mkdir()
    load_config(config, {**DEPTH, **data}).dump(folder / "run" / "config.py")
    save_model(folder / "run" / "best_coco_1.pth", config, dict(classes=CLASSES))
    call("export", [str(folder / "run"), "--out", str(folder / "m.onnx")])
    return folder


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return work_folder(tmp_path_factory.mktemp("detector"), PARCELS)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return work_folder(tmp_path_factory.mktemp("classifier"), CLASSIFIER)


def times(folder, *options):
    out = folder / "times"
    given = [str(folder / "run"), "--model", str(folder / "m.onnx"), "--device", "cpu"]
    call("benchmark", [*given, "--rounds", "2", "--out", str(out), *options])
    return json.loads((folder / "times.json").read_text())


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_both_are_timed_whole_and_in_their_backbone(kind, request, capsys):
    document = times(request.getfixturevalue(kind), "--threads", "1")
    rows = document["runtimes"]
    whole = dict(detector="FasterRCNN", classifier="ImageClassifier")[kind]
    assert [(row["of"], row["by"]) for row in rows] == [
        (whole, "PyTorch"),
        (whole, "ONNX Runtime, CPU"),
        ("backbone", "PyTorch"),
        ("backbone", "ONNX Runtime, CPU"),
    ]
    for row in rows:
        assert 0 < row["fastest"] <= row["ms an image"] <= row["slowest"]
    assert [row["of PyTorch's time"] == 1 for row in rows] == [True, False, True, False]
    assert (document["images"], document["threads"]) == (3, 1)
    assert "onnxruntime" in document["versions"]
    assert "of PyTorch's time" in capsys.readouterr().out


def test_all_find_the_same(detector, monkeypatch):
    # the compiler's own result is torch's matter, and takes a minute
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    weights = detector / "run" / "best_coco_1.pth"
    arguments = ["--config", str(detector / "run"), "--checkpoint", str(weights)]
    trained = Trained(parser.parse_args(arguments))
    exported = OnnxModel(str(detector / "m.onnx"), "cpu", threads=1)
    images = [np.ascontiguousarray(scene(seed, 160, 120)[..., ::-1]) for seed in (1, 2)]
    steps = runtime_steps(trained.model, trained.pipeline.transforms, images, exported, True)
    for number in range(2):
        expected = steps["FasterRCNN", "PyTorch", number]().pred_instances.numpy()
        compiled = steps["FasterRCNN", "compiled", number]().pred_instances.numpy()
        boxes, scores, labels = steps["FasterRCNN", "ONNX Runtime, CPU", number]()
        for found in (scores, compiled.scores):
            np.testing.assert_allclose(found, expected.scores, atol=1e-4)
        assert len(boxes) == len(labels) == len(expected.bboxes) > 0
        maps = steps["backbone", "PyTorch", number]()
        for name in ("compiled", "ONNX Runtime, CPU"):
            for found, wanted in zip(steps["backbone", name, number](), maps):
                np.testing.assert_allclose(found, wanted, atol=1e-3 * float(wanted.abs().max()))
    assert "_orig_mod" not in "".join(trained.model.state_dict())


def test_a_file_of_another_checkpoint_is_refused(detector, classifier, tmp_path):
    for file in (classifier / "m.onnx", tmp_path / "random.onnx"):
        if not file.exists():
            call("export", [CLASSIFIER, "--out", str(file)])
        with pytest.raises(UserError, match=r"\.onnx was exported .* not from .*best_coco_1\.pth"):
            call("benchmark", [str(detector / "run"), "--model", str(file)])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--model", "m.onnx", "--batch", "2"], "--batch does not change"),
        (["--model", "m.onnx", "--networks", "resnest50"], "--networks does not change"),
        (["--model", "m.onnx"], "--model m.onnx: give the work folder"),
        (["run"], "run does not change what --model backbone measures"),
        (["--model", "detector", "--checkpoint", "x"], "--checkpoint does not change"),
        (["run", "--model", "none.onnx"], "--model none.onnx does not exist"),
    ],
)
def test_mistakes_are_one_line(arguments, text, detector, monkeypatch):
    monkeypatch.chdir(detector)
    with pytest.raises(UserError, match=text):
        call("benchmark", arguments)
