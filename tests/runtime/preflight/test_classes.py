"""Datasets that are used as one have the same classes, or are refused with what to write."""

import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from mmresneskt.runtime.preflight import dataset_problems
from tests.support.voc_folder import write


@DATASETS.register_module(force=True)
class OwnFolders(CustomDataset):
    """Of a user's: a folder of class folders that goes by another name."""


def coco(folder, name, classes, listed=None):
    """A set of an image with one object of each class."""
    cv2.imwrite(str(folder / f"{name}.png"), np.zeros((48, 64, 3), np.uint8))
    image = dict(id=1, file_name=f"{name}.png", height=48, width=64)
    box = dict(image_id=1, bbox=[3, 3, 20, 20], area=400, iscrowd=0)
    found = [dict(box, id=i, category_id=i) for i in range(len(classes))]
    categories = [dict(id=i, name=word) for i, word in enumerate(classes)]
    content = dict(images=[image], annotations=found, categories=categories)
    (folder / f"{name}.json").write_text(json.dumps(content))
    return dict(
        type="CocoDataset",
        data_root=str(folder),
        ann_file=f"{name}.json",
        data_prefix=dict(img=""),
        metainfo=dict(classes=listed or classes),
        pipeline=[],
    )


def voc(folder, classes, listed=None):
    write(folder, "a", [(word, 0, 3, 3, 30, 30) for word in classes])
    (folder / "ImageSets/Main/train.txt").write_text("a\n")
    return dict(
        type="XMLDataset",
        data_root=str(folder),
        ann_file="ImageSets/Main/train.txt",
        data_prefix=dict(sub_data_root=""),
        metainfo=dict(classes=listed or classes),
        pipeline=[],
    )


def folders(folder, classes, **options):
    for word in classes:
        (folder / word).mkdir(parents=True)
        cv2.imwrite(str(folder / word / "a.png"), np.zeros((48, 48, 3), np.uint8))
    return dict(type="OwnFolders", data_root=str(folder), pipeline=[], **options)


def problems(*datasets, scope="mmdet", **others):
    together = dict(type="ConcatDataset", datasets=list(datasets))
    cfg = Config(dict(default_scope=scope, val_dataloader=dict(dataset=together), **others))
    return [str(finding) for finding in dataset_problems(cfg, ("val",))]


EVERY = ["cat", "dog", "cow"]


def test_coco_beside_coco_and_beside_voc(tmp_path):
    one = coco(tmp_path, "one", EVERY[:2])
    for other, name in (
        (coco(tmp_path, "two", EVERY[2:]), "two.json"),
        (voc(tmp_path / "voc", EVERY[2:]), "train.txt"),
    ):
        (problem,) = problems(one, other)
        assert f"{tmp_path}/one.json and {other['data_root']}/" in problem
        assert name in problem
        assert "'cat', 'dog' in the one, 'cow' in the other" in problem
        assert "--cfg-options \"classes=['cat','dog','cow']\", and list these, in" in problem
    assert not problems(one, other, val_evaluator=dict(type="MultiDatasetsEvaluator"))


def test_what_is_told_to_be_written_is_right(tmp_path):
    one = coco(tmp_path, "one", EVERY[:2], listed=EVERY)
    assert not problems(one, voc(tmp_path / "voc", EVERY[2:], listed=EVERY))
    two = coco(tmp_path, "two", EVERY[2:], listed=EVERY)
    (problem,) = problems(one, two)  # MMDetection would call its cows cats
    assert "two.json (val_dataloader) has no category 'cat', 'dog'" in problem
    assert "list all of the config's classes, in its order, in the file's `categories`" in problem
    content = json.loads((tmp_path / "two.json").read_text())
    content["categories"] = [dict(id=i + 1, name=word) for i, word in enumerate(EVERY)]
    content["annotations"][0]["category_id"] = 3
    (tmp_path / "two.json").write_text(json.dumps(content))
    assert not problems(one, two)


@pytest.mark.parametrize("lazy", [False, True])
def test_folders_of_class_folders(lazy, tmp_path):
    one = folders(tmp_path / "one", EVERY[:2], lazy_init=lazy)
    two = folders(tmp_path / "two", EVERY[2:], lazy_init=lazy)
    (problem,) = problems(one, two, scope="mmpretrain")
    assert f"{tmp_path}/one and {tmp_path}/two (val_dataloader)" in problem
    assert "in every folder of class folders make those that it lacks, empty" in problem
    for folder in ("one", "two"):
        for word in EVERY:
            (tmp_path / folder / word).mkdir(exist_ok=True)
    assert not problems(one, two, scope="mmpretrain")
