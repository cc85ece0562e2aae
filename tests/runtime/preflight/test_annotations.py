"""Annotations that an evaluation, a loader or a training would stumble over are named before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

from mmresneskt.runtime.preflight.boxes import Boxes
from mmresneskt.runtime.preflight.datasets import annotation_problems, dataset_problems
from tests.support import voc_folder
from tests.support.coco_folder import document, write

PARTS = ("train", "val", "test")


def levels(findings):
    return {finding.level for finding in findings}


def named(root, content, masks=False):
    """The findings about the file of the training set."""
    cfg = write(root, content)
    if masks:
        cfg.train_dataloader.dataset.pipeline[1].with_mask = True
    return list(annotation_problems(cfg, ("train",)))


@pytest.mark.parametrize("field", ["iscrowd", "ignore"])
@pytest.mark.parametrize("value", ["0", "", "x", 2, -1, 0.5, [], {}, float("nan")])
def test_a_mark_that_is_neither_zero_nor_one(field, value, tmp_path):
    (problem,) = named(tmp_path, document(**{field: value}))
    assert (problem.level, problem.key) == ("error", "train_dataloader.dataset.ann_file")
    assert f"a.json: 2 annotations of which '{field}' is neither 0 nor 1" in problem.message
    assert f"annotation 1 with {value!r}" in problem.message


def test_marks_that_are_right_or_missing(tmp_path):
    for value in (0, 1, False, True, 0.0):
        assert not named(tmp_path, document(iscrowd=value))
    assert levels(named(tmp_path, document(iscrowd=None))) == {"error"}
    assert not named(tmp_path, document(ignore=None))
    content = document()
    for annotation in content["annotations"]:
        del annotation["iscrowd"]
    (problem,) = named(tmp_path, content)
    assert problem.level == "note"
    assert "2 annotations without 'iscrowd', taken for 0" in problem.message


def test_ids_that_an_evaluation_cannot_keep(tmp_path):
    content = document()
    content["annotations"][1]["id"] = 0
    (problem,) = named(tmp_path, content)
    assert problem.level == "note"
    assert "all are numbered anew, the first: id 0" in problem.message
    content = document()
    content["images"][1]["id"] = content["annotations"][1]["image_id"] = "one"
    (problem,) = named(tmp_path, content)
    assert problem.level == "error"
    assert "images with a number, others with a text as id" in problem.message


def test_categories_of_one_name(tmp_path):
    content = document()
    content["categories"].insert(0, dict(id=1, name="cat"))
    (problem,) = named(tmp_path, content)
    assert problem.level == "note"
    assert "'cat', id 1 beside id 3" in problem.message
    content["annotations"][0]["category_id"] = 1
    (problem,) = named(tmp_path, content)
    assert problem.level == "error"
    assert "'cat' with the ids [1, 3], of which none has no annotations" in problem.message


def test_the_root_of_an_export_is_not_advised(tmp_path):
    content = document()
    content["categories"] = [
        dict(id=0, name="animals", supercategory="none"),
        dict(id=3, name="cat", supercategory="animals"),
    ]
    cfg = write(tmp_path, content)
    cfg.train_dataloader.dataset.pop("metainfo")
    (problem,) = dataset_problems(cfg, ("train",))
    assert "--cfg-options \"classes=['cat']\" (without 'animals', which no anno" in problem.message


def test_classes_that_the_config_leaves_out_are_counted(tmp_path):
    content = document()
    content["categories"].append(dict(id=4, name="dog"))
    content["annotations"][1]["category_id"] = 4
    (problem,) = named(tmp_path, content)
    assert problem.level == "note"
    assert "1 objects of classes that the config does not have" in problem.message
    assert "annotation 2, 'dog'" in problem.message


def test_a_file_without_ground_truth(tmp_path):
    content = document()
    del content["annotations"]
    cfg = write(tmp_path, content)
    assert not list(annotation_problems(cfg, PARTS))
    (problem,) = dataset_problems(cfg, ("test",))
    assert problem.level == "warning"
    assert "no ground truth: predictions only" in problem.message
    assert levels(dataset_problems(cfg, ("val",))) == {"error"}


@pytest.mark.parametrize(
    ("outline", "level", "message"),
    [
        ([[12, 8, 42, 8, 42, 28]], None, ""),
        ([[12, 8, 42, 28]], "warning", "2 annotations with no polygon of three points, which are"),
        ([[12, 8, 42, 8, 42, 28], [1, 1]], "warning", "2 annotations with polygons of fewer than"),
        ([[]], "error", "neither polygons nor RLE"),
    ],
)
def test_polygons(outline, level, message, tmp_path):
    found = named(tmp_path, document(segmentation=outline), masks=True)
    assert levels(found) == ({level} if level else set())
    assert all(message in problem.message for problem in found)


def test_backslashes_and_other_endings_are_hinted_at(tmp_path):
    cfg = write(tmp_path, document(names=("in\\a.png", "in\\b.png")))
    (problem,) = dataset_problems(cfg, ("val",))
    assert problem.level == "error"
    assert "in\\a.png. It is there with / in place of \\" in problem.message
    cfg = write(tmp_path, document())
    (tmp_path / "b.png").rename(tmp_path / "b.tiff")
    (problem,) = dataset_problems(cfg, ("val",))
    assert "b.png. There is b.tiff" in problem.message


@pytest.mark.parametrize(("brightest", "level"), [(3000, "warning"), (60_000, "note")])
def test_sixteen_bits(brightest, level, tmp_path):
    pixels = np.linspace(0, brightest, 48 * 64).reshape(48, 64).astype(np.uint16)
    cfg = write(tmp_path, document(), pixels)
    (problem,) = dataset_problems(cfg, ("train",))
    assert problem.level == level
    assert f"is {brightest}, in " in problem.message
    assert f"becomes {brightest // 256} of 255" in problem.message


SIDE = st.floats(0, 1)


@settings(max_examples=200, deadline=None)
@given(boxes=st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), min_size=1), sizes=st.booleans())
def test_shares_of_an_image_are_no_pixels(boxes, sizes):
    found = Boxes(sizes)
    for box in boxes:
        found.add(box, (64, 48), str)
    (problem,) = found.findings("key", "file")
    assert problem.level == "error"
    assert f"all {len(boxes)} boxes lie within 0 and 1: pixels are expected" in problem.message


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 30), st.integers(1, 14), st.integers(1, 18)),
        min_size=1,
    ),
    st.booleans(),
)
def test_one_form_in_place_of_the_other(boxes, sizes):
    """Boxes that are right in a form never look like the other; most in the other form do."""
    right, wrong = Boxes(sizes), Boxes(not sizes)
    for x, y, w, h in boxes:
        box = (x, y, w, h) if sizes else (x, y, x + w, y + h)
        assert right.add(box, (64, 48), str)
        wrong.add(box, (64, 48), str)
    assert not any("look like" in f.message for f in right.findings("key", "file"))
    if all(x > w + 32 and y > h for x, y, w, h in boxes):
        (*_, last) = wrong.findings("key", "file")
        assert "look like" in last.message
        assert ("not (x, y, width, height)" in last.message) is not sizes


def test_corners_in_a_coco_file(tmp_path):
    *_, problem = named(tmp_path, document(bbox=[30, 25, 60, 45], area=600))
    assert problem.level == "warning"
    assert "2 of 2 boxes do not fit into their images: these look like corners" in problem.message


def voc(root, *objects):
    voc_folder.write(root, "a", objects)
    (root / "train.txt").write_text("a\n")
    cfg = write(root / "other", document())
    cfg.train_dataloader.dataset = dict(
        type="VOCFolderDataset",
        data_root=str(root),
        ann_file="train.txt",
        data_prefix=dict(sub_data_root=""),
        metainfo=dict(classes=("cat",)),
        pipeline=[],
    )
    cfg.custom_imports = dict(imports=["mmresneskt.data.detection"])
    init_default_scope("mmdet")
    return cfg


def test_voc_boxes_as_shares_and_as_sizes(tmp_path):
    cfg = voc(tmp_path, ("cat", 0, 0.1, 0.1, 0.5, 0.4))
    (problem,) = annotation_problems(cfg, ("train",))
    assert "train.txt: all 1 boxes lie within 0 and 1" in problem.message
    cfg = voc(tmp_path, ("cat", 0, 40, 30, 20, 10))
    *_, problem = annotation_problems(cfg, ("train",))
    assert "these look like (x, y, width, height), not corners" in problem.message


def test_a_fault_that_several_lists_share_is_told_once(tmp_path):
    cfg = voc(tmp_path, ("dog", 0, 4, 4, 20, 20))
    (tmp_path / "val.txt").write_text("a\n")
    cfg.val_dataloader.dataset = {**cfg.train_dataloader.dataset, "ann_file": "val.txt"}
    found = list(annotation_problems(cfg, PARTS[:2]))
    assert levels(found) == {"note"}  # the class that is left out, for each list
    assert all("'dog' in " in problem.message for problem in found)
    (tmp_path / "Annotations/a.xml").write_bytes(b'<?xml version="1.0" encoding="gb2312"?>\xff')
    (problem,) = annotation_problems(cfg, PARTS[:2])
    assert problem.level == "error"
    assert "a.xml cannot be used: not valid XML in gb2312" in problem.message
