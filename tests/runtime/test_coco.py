"""COCO files as users have them, read as they must be meant by every reader alike."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric

from mmresneskt.runtime.coco import root_of, settle
from tests.support.coco_folder import BOX, document, write


def average_precision(file, right):
    """Of boxes that are exactly right, by MMDetection's metric."""
    metric = CocoMetric(ann_file=str(file))
    metric.dataset_meta = dict(classes=("cat",))
    x, y, w, h = BOX
    found = dict(bboxes=torch.tensor([[x, y, x + w, y + h]]), scores=torch.ones(1))
    found["labels"] = torch.zeros(1, dtype=torch.long)
    for image in range(right):
        sample = dict(img_id=image, ori_shape=(48, 64), pred_instances=found)
        metric.process({}, [sample])
    return metric.evaluate(right)["coco/bbox_mAP"]


def first(**fields):
    content = document()
    content["annotations"][0].update(fields)
    return content


def without(name):
    content = document()
    for annotation in content["annotations"]:
        del annotation[name]
    return content


def doubled(name="cat"):
    content = document()
    content["categories"].insert(0, dict(id=0, name=name, supercategory="none"))
    content["categories"][1]["supercategory"] = name
    return content


@pytest.mark.parametrize(
    "content",
    [document(), first(id=0), document(id="a"), first(id="0"), without("iscrowd"), doubled()],
)
def test_boxes_that_are_right_score_one(content, tmp_path):
    for number, annotation in enumerate(content["annotations"]):
        if annotation["id"] == "a":
            annotation["id"] = f"a{number}"
    cfg = write(tmp_path, content)
    assert average_precision(tmp_path / "a.json", 2) == 1
    options = {k: v for k, v in cfg.train_dataloader.dataset.items() if k != "type"}
    data = CocoDataset(**{**options, "pipeline": []})
    assert [i["bbox_label"] for index in (0, 1) for i in data[index]["instances"]] == [0, 0]
    assert not any(i["ignore_flag"] for index in (0, 1) for i in data[index]["instances"])


IDS = st.one_of(st.integers(-3, 9), st.sampled_from(["", "0", "x", "7"]))


@settings(max_examples=200, deadline=None)
@given(ids=st.lists(IDS, unique=True, min_size=1), crowds=st.sampled_from([0, 1, None, "0"]))
def test_what_is_right_stays_and_what_is_put_right_is_told(ids, crowds):
    content = document(names=[f"{i}.png" for i in range(len(ids))], iscrowd=crowds)
    for annotation, one in zip(content["annotations"], ids):
        annotation["id"] = one
    given_, told = copy.deepcopy(content), []
    settle(content, lambda kind, where, number: told.append(number))
    kept = [annotation["id"] for annotation in content["annotations"]]
    # as an array of numbers keeps them, none is "none", and no two are one
    assert len(set(np.array(kept, float)) - {0}) == len(ids)
    unfit = [one for one in ids if one == 0 or isinstance(one, str)]
    assert sum(told) == len(unfit)
    if not unfit:
        assert content == given_
    assert all(annotation["iscrowd"] == crowds for annotation in content["annotations"])
    again = copy.deepcopy(content)
    settle(again)
    assert again == content


@pytest.mark.parametrize(
    "content", [{}, dict(annotations=None), dict(annotations=[1]), dict(categories=[{}, 5, {}])]
)
def test_what_cannot_be_understood_stays(content):
    expected = {"annotations": [], **content}
    settle(content)
    assert content == expected


def test_a_double_stays_where_it_may_be_meant():
    content = doubled()
    content["annotations"][0]["category_id"] = 0
    settle(content)
    assert [category["id"] for category in content["categories"]] == [0, 3]
    content["annotations"] = []  # of a test set: the root says that it is one
    settle(content)
    assert [category["id"] for category in content["categories"]] == [3]


def test_the_root_of_an_export():
    content = doubled("animals")
    assert root_of(content) == "animals"
    settle(content)
    assert len(content["categories"]) == 2  # a config may name it
    content["annotations"][0]["category_id"] = 0
    assert root_of(content) is None
    assert root_of(document()) is None
    assert root_of({}) is None
