"""Folders of classes: every file is a sample, or is told of."""

import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from mmresneskt.data.classes import set_classes
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.decoding import ENDINGS
from mmresneskt.runtime.images import find_images
from mmresneskt.runtime.preflight import dataset_problems
from tests.support.helpers import ROOT


@pytest.fixture
def root(tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            save(tmp_path / part / name / "0.jpg")
    return tmp_path


def save(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((48, 48, 3), 90, np.uint8)).save(file)


def config(root):
    cfg = load_config(str(ROOT / "configs/resneskt50_folder.py"), {"data_root": str(root)})
    set_classes(cfg, None)
    return cfg


def problems(root, *parts):
    return [(f.level, f.message) for f in dataset_problems(config(root), parts)]


def test_every_ending_that_predict_takes_is_trained_on(root):
    for suffix in ENDINGS:
        save(root / "train/b" / f"1{suffix}")
        save(root / "train/b" / f"2{suffix.upper()}")
    assert not problems(root, "train", "val", "test")
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        data = DATASETS.build({**config(root).train_dataloader.dataset, "pipeline": []})
    found = {data.get_data_info(i)["img_path"] for i in range(len(data))}
    assert found == set(map(str, find_images([root / "train/a", root / "train/b"])))
    given = {"data_root": str(root), "train_dataloader.dataset.extensions": [".png"]}
    cfg = load_config(str(ROOT / "configs/resneskt50_folder.py"), given)
    set_classes(cfg, None)
    assert cfg.train_dataloader.dataset.extensions == [".png"]


def test_files_that_are_left_out_are_counted_by_ending(root):
    for name in ("1.avif", "2.avif", "notes", "x.txt", ".DS_Store"):
        (root / "train/b" / name).touch()
    ((level, message),) = problems(root, "train")
    assert level == "warning"
    assert f"{root}/train (train_dataloader) holds 4 files" in message
    assert "2 .avif, " in message
    assert "1 none" in message


def test_a_class_without_an_image(root):
    (root / "test/b/0.jpg").unlink()
    for part in ("val", "test"):
        ((level, message),) = problems(root, part)
        assert level == "warning"
        assert f"{root}/test ({part}_dataloader): no image of the class 'b'" in message
    (root / "train/b/0.jpg").rename(root / "train/b/0.avif")
    (_, counted), (level, message) = problems(root, "train")
    assert "1 .avif" in counted
    assert level == "error"
    assert "no image of the class 'b'" in message


def test_hidden_folders_inside_a_class(root):
    (root / "train/a/.empty").mkdir()
    assert not problems(root, "train")
    save(root / "train/a/.ipynb_checkpoints/0-checkpoint.jpg")
    ((level, message),) = problems(root, "train")
    assert level == "error"
    assert f"{root}/train/a/.ipynb_checkpoints (train_dataloader) is hidden" in message
