"""Folders in Pascal VOC's layout."""

import cv2
import numpy as np
import pytest

from mmresneskt.data.detection import VOCFolderDataset, read_classes

XML = """<annotation><filename>{name}{suffix}</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def write(root, name, objects, suffix=".jpg"):
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    body = "".join(OBJECT.format(*o) for o in objects)
    text = XML.format(name=name, suffix=suffix, objects=body)
    (root / "Annotations" / f"{name}.xml").write_text(text)
    cv2.imwrite(str(root / "JPEGImages" / f"{name}{suffix}"), np.zeros((48, 64, 3), np.uint8))


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "a", [("dog", 0, 1, 1, 11, 21), ("cat", 1, 5, 5, 30, 30)])
    write(tmp_path, "b", [("cat", 0, 5, 5, 30, 30), ("cat", 0, 7, 7, 7, 7)], suffix=".png")
    write(tmp_path, "c", [("ant", 0, 5, 5, 30, 30)])
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\nb\n")
    return tmp_path


def dataset(root, **options):
    return VOCFolderDataset(
        data_root=str(root),
        ann_file="ImageSets/Main/train.txt",
        data_prefix=dict(sub_data_root=""),
        pipeline=[],
        **options,
    )


def test_classes_are_those_of_every_split_sorted(root):
    assert dataset(root).metainfo["classes"] == ("ant", "cat", "dog")
    assert read_classes(root / "Annotations") == ("ant", "cat", "dog")


def test_boxes_labels_difficult_ones_and_other_extensions(root):
    data = dataset(root)
    a, b = data[0], data[1]
    assert [i["bbox"] for i in a["instances"]] == [[0, 0, 10, 20], [4, 4, 29, 29]]
    assert [i["bbox_label"] for i in a["instances"]] == [2, 1]
    assert [i["ignore_flag"] for i in a["instances"]] == [0, 1]
    assert b["img_path"].endswith("b.png")
    assert len(b["instances"]) == 1  # the box without area is left out


def test_given_classes_keep_their_order_and_drop_the_others(root):
    data = dataset(root, metainfo=dict(classes=("dog", "cat")))
    assert [i["bbox_label"] for i in data[0]["instances"]] == [0, 1]


def test_what_is_wrong_with_a_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no \.xml file"):
        read_classes(tmp_path)
    (tmp_path / "x.xml").write_text("<annotation>")
    with pytest.raises(ValueError, match=r"x\.xml is not valid XML"):
        read_classes(tmp_path)
    (tmp_path / "x.xml").write_text("<annotation></annotation>")
    with pytest.raises(ValueError, match="no classes"):
        read_classes(tmp_path)
