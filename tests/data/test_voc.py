"""Folders in Pascal VOC's layout."""

import pickle
import re

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


def test_blanks_around_a_name_are_no_part_of_it(root):
    write(root, "b", [("\n  cat\t", 0, 5, 5, 30, 30), (" dog", 0, 5, 5, 30, 30)])
    assert read_classes(root / "Annotations") == ("ant", "cat", "dog")
    (root / "ImageSets/Main/train.txt").write_text("\n a \nb\n\n")
    data = dataset(root)
    assert [info["img_id"] for info in data] == ["a", "b"]
    assert [i["bbox_label"] for i in data[1]["instances"]] == [1, 2]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("gb2312", "\u732b"), ("GBK", "\u9555"), ("gb2312", "\u9555"), ("big5", "\u8c93")]
    + [
        ("shift_jis", "\u732b"),
        ("euc-kr", "\uace0"),
        ("windows-1251", "\u043a"),
        ("utf-16", "\xe9"),
    ],
)
def test_annotations_in_the_encoding_that_they_declare(encoding, name, root):
    file = root / "Annotations/a.xml"
    text = f'<?xml version="1.0" encoding="{encoding}"?>{file.read_text()}'.replace("dog", name)
    # what says GB2312 often has GBK's characters
    file.write_bytes(text.encode("gbk" if encoding == "gb2312" else encoding))
    assert read_classes(root / "Annotations") == ("ant", "cat", name)
    assert [i["bbox_label"] for i in dataset(root)[0]["instances"]] == [2, 1]


@pytest.mark.parametrize(
    "data",
    [b'<?xml version="1.0" encoding="gb2312"?><annotation>\xff</annotation>', b"\xff", b""]
    + [b'<?xml version="1.0" encoding="klingon"?><annotation/>'],
)
def test_what_is_in_no_encoding_is_named_once(data, root):
    (root / "Annotations/b.xml").write_bytes(data)
    with pytest.raises(UserError, match=r"b\.xml cannot be used: not valid XML"):
        read_classes(root / "Annotations")


@pytest.mark.parametrize("listed", ["b.png", "b.jpg", "b", "other.bmp", ""])
@pytest.mark.parametrize("saved", ["b.png", "b.JPG", "b.jpeg", "b.webp", "b.tiff", "b.ppm"])
def test_the_one_image_of_a_name_is_taken(listed, saved, root):
    annotation = root / "Annotations/b.xml"
    annotation.write_text(annotation.read_text().replace("b.png", listed))
    (root / "JPEGImages/b.png").rename(root / "JPEGImages" / saved)
    (root / "JPEGImages/b.xml").touch()
    (root / "JPEGImages/b.c.png").touch()
    assert dataset(root)[1]["img_path"] == str(root / "JPEGImages" / saved)


def test_of_several_images_the_annotation_says_which(root):
    for suffix in (".bmp", ".tiff"):
        (root / f"JPEGImages/b{suffix}").touch()
    assert dataset(root)[1]["img_path"].endswith("b.png")
    (root / "JPEGImages/b.png").unlink()
    assert dataset(root)[1]["img_path"].endswith("b.jpg")  # which is told to be missing


def test_a_size_that_is_not_given_is_the_images(root):
    file = root / "Annotations/b.xml"
    file.write_text(re.sub("<size>.*</size>", "", file.read_text(), flags=re.DOTALL))
    info = dataset(root)[1]
    assert (info["width"], info["height"]) == (64, 48)
    assert pickle.loads(pickle.dumps(dataset(root)))[1] == info
