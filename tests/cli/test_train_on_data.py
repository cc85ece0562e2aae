"""``mmresneskt train --data``, and the commands that need its work folder alone."""

import argparse
import hashlib
import json
import re
from pathlib import Path

import pytest
import torch

from mmresneskt.cli import call
from mmresneskt.cli.config import use_work_folder
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.work_folder import checkpoint_of
from tests.support import layouts
from tests.support.helpers import run_tool
from tests.support.layouts import Example, save

SMALL = ["--cfg-options", "model.backbone.depth=14"]
OPTIONS = ["--backbone", "resneskt50:none", "--epochs", "1", "--size", "64"]


def digests(root):
    return {p: hashlib.sha256(p.read_bytes()).digest() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A detector of five images that lie beside their XML files."""
    folder = tmp_path_factory.mktemp("run")
    boxes = [("cat", 5, 5, 30, 20)]
    its = [Example("", f"{i} x", (64, 48), boxes) for i in range(5)]
    layouts.voc_beside(folder / "photos", its, ["cat"])
    before = digests(folder / "photos")
    result = run_tool("train", "--data", "photos", *OPTIONS, *SMALL, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert digests(folder / "photos") == before
    return folder, folder / "work_dirs/photos_resneskt50", result.stdout


def test_what_was_found_is_told_before_anything_runs(trained):
    folder, work, said = trained
    table = said[: said.index("mmengine")]
    assert "Pascal VOC, 1 classes" in table
    assert [line.split() for line in table.splitlines() if line.startswith("images ")] == [
        ["images", "3", "1", "1"]
    ]
    assert "drawn from the others, and kept in the work folder: val, test" in table
    assert "weights: none, from scratch" in said
    assert (work / "config.py").is_file()


def test_a_second_training_draws_the_same(trained):
    _, work, _ = trained
    drawn = json.loads((work / "data/drawn_splits.json").read_text())
    assert sorted(drawn.values()) == ["test", "train", "train", "train", "val"]
    listed = json.loads((work / "data/val.json").read_text())["images"]
    assert drawn[listed[0]["file_name"]] == "val"


def test_predict_and_test_need_the_work_folder_alone(trained, monkeypatch, capsys):
    folder, work, _ = trained
    config = (work / "config.py").read_bytes()
    monkeypatch.chdir(folder)
    call("predict", [str(work), "photos/0 x.png", "--out", "out"])
    assert f"checkpoint: {checkpoint_of(work).name}" in capsys.readouterr().out
    assert (folder / "out/predictions.json").is_file()
    result = run_tool("test", work, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "coco/bbox_mAP" in result.stdout + result.stderr
    assert (work / "config.py").read_bytes() == config


def test_the_best_checkpoint_that_can_be_read_goes_before_the_newest(tmp_path, capsys):
    torch.save({"state_dict": {}}, tmp_path / "best_coco_bbox_mAP_epoch_2.pth")
    torch.save({"state_dict": {}}, tmp_path / "epoch_3.pth")
    (tmp_path / "best_coco_bbox_mAP_epoch_9.pth").write_bytes(b"torn")
    args = argparse.Namespace(config=str(tmp_path), checkpoint=None)
    use_work_folder(args)
    assert Path(args.checkpoint).name == "best_coco_bbox_mAP_epoch_2.pth"
    assert re.search(r"passed over: \S*best_coco_bbox_mAP_epoch_9.pth", capsys.readouterr().out)


def images(root):
    for name in ("cat", "dog"):
        save(root / name / "1.png", (40, 30))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "give a config, or --data FOLDER"),
        (["train", "x.py", "--data", "photos"], "either the config x.py or --data"),
        (["train", "x.py", "--epochs", "3"], "--epochs goes with --data"),
        (["train", "--data", "nowhere"], "--data nowhere does not exist"),
        (["train", "--data", "photos"], "2 images are too few"),
        (["train", "--data", "photos", "--work-dir", "photos/w"], "lies in the data"),
        (["predict", "photos"], "give the work folder of a training"),
        (["predict", "photos", "x.png"], "photos holds no checkpoint"),
        (["test", "x.py"], "give the checkpoint too: x.py is no work folder"),
    ],
)
def test_mistakes_get_a_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "photos")
    with pytest.raises(UserError, match=said):
        call(arguments[0], arguments[1:])
    assert sorted(p.name for p in (tmp_path / "photos").iterdir()) == ["cat", "dog"]
