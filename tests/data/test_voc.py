"""Folders in Pascal VOC's layout."""

import pytest

from mmresneskt.data.detection import VOCFolderDataset, read_classes
from mmresneskt.runtime.errors import UserError
from tests.support.voc_folder import write


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
    with pytest.raises(UserError, match=r"x\.xml cannot be used: not valid XML"):
        read_classes(tmp_path)
    (tmp_path / "x.xml").write_text("<annotation></annotation>")
    with pytest.raises(UserError, match="no classes"):
        read_classes(tmp_path)
