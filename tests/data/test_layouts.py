"""Every layout gives the boxes, classes and splits that it was written from."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmresneskt.data.layouts import find_data
from mmresneskt.runtime.errors import UserError
from tests.support import layouts
from tests.support.layouts import NAMES, ONE, Example, save, write

# a folder without a box is none of YOLO's
BESIDE = (
    layouts.yolo_labelimg,
    layouts.yolo_darknet,
    layouts.yolo_cvat,
    layouts.yolo_otherwise,
)


@st.composite
def boxes(draw, size):
    name = draw(st.sampled_from(NAMES))
    left, top = (draw(st.integers(0, side - 2)) for side in size)
    width, height = draw(st.integers(1, size[0] - left)), draw(st.integers(1, size[1] - top))
    return (name, left, top, width, height)


@st.composite
def data_sets(draw, splits=("train", "val", "test"), least_boxes=0):
    """Some images, in splits or in none."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=5, unique=True))
    split = st.sampled_from(splits)
    examples = []
    for name in names:
        size = draw(st.tuples(st.integers(20, 60), st.integers(20, 60)))
        its = draw(st.lists(boxes(size), min_size=least_boxes, max_size=3))
        examples.append(Example(draw(split), name, size, its))
    assume(any(e.boxes for e in examples))
    return examples


def contents(found, digits=6):
    return {
        (split, picture.path.name, picture.size): sorted(
            (box.name, *(round(value, digits) for value in box[1:5])) for box in picture.boxes
        )
        for split, pictures in found.splits.items()
        for picture in pictures
    }


def expected(examples, splits=True):
    return {(e.split * splits, e.name, e.size): sorted(e.boxes) for e in examples}


def digest(root):
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {p: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}


@pytest.mark.parametrize("layout", layouts.LAYOUTS, ids=lambda layout: layout.__name__)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_boxes_classes_and_splits_are_those_of_the_source(layout, data):
    one_file = layout is layouts.coco_label_studio
    in_train = layout in (layouts.yolo, layouts.yolo_roboflow)
    all_splits = data.draw(st.sampled_from([("train", "val", "test"), ("",)]))
    if in_train:  # a data.yaml names it
        all_splits = ("train", "val", "test")
    examples = data.draw(data_sets(all_splits))
    if in_train:
        assume(any(e.split == "train" for e in examples))
    if layout in (layouts.coco_roboflow, layouts.coco_cvat):  # each split has a file of its own
        objects = {e.split for e in examples if e.boxes}
        assume(objects == {e.split for e in examples})
    if layout in BESIDE:
        assume({e.split for e in examples if e.boxes} == {e.split for e in examples})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data set")
        layout(root, examples, NAMES)
        before = digest(root)
        found = find_data(root)
        assert digest(root) == before
    assert contents(found) == expected(examples, splits=not one_file)
    used = {box[0] for e in examples for box in e.boxes}
    order = sorted(NAMES) if found.layout == "Pascal VOC" else NAMES
    assert found.classes == [name for name in order if name in used]


@given(examples=data_sets(least_boxes=1), splits=st.booleans())
@settings(max_examples=12, deadline=None)
def test_folders_of_classes(examples, splits):
    examples = [e if splits else e._replace(split="") for e in examples]
    labels = {e.boxes[0][0] for e in examples}
    assume(len(labels) > 1)
    with_train = {e.boxes[0][0] for e in examples if e.split == "train"}
    assume(not splits or with_train == labels)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "unpacked")
        layouts.class_folders(root, examples, NAMES)
        for given_path in (root, root.parent):
            found = find_data(given_path)
            labelled = {(s, p.path.name, p.label) for s, ps in found.splits.items() for p in ps}
            assert labelled == {(e.split, e.name, e.boxes[0][0]) for e in examples}
            assert found.classes == sorted(labels)
            assert found.classifies


def notes(found):
    return " ".join(str(finding) for finding in found.problems.findings("", ""))


def test_one_file_of_annotations(tmp_path):
    layouts.coco_cvat(tmp_path, [e._replace(split="val") for e in ONE], NAMES)
    found = find_data(tmp_path / "annotations/instances_val.json")
    assert contents(found) == expected(ONE)  # one file is one set, whatever its name
    layouts.yolo(tmp_path / "y", [e._replace(split="train") for e in ONE], NAMES)
    assert find_data(tmp_path / "y/data.yaml").layout == "YOLO"


def test_voc_difficult_is_a_crowd_and_files_of_other_encodings_and_endings(tmp_path):
    text = layouts.xml(ONE[0]._replace(boxes=[("猫", 5, 5, 10, 10)]), "a")
    text = '<?xml version="1.0" encoding="gb2312"?>' + text.replace("cult>0", "cult>1")
    (tmp_path / "a.xml").write_bytes(text.encode("gb2312"))
    save(tmp_path / "images" / "A.JPEG", (40, 30))
    with pytest.raises(
        UserError, match="no object to train on.*1 objects marked as crowds or diff"
    ):
        find_data(tmp_path)
    layouts.voc_beside(tmp_path, [ONE[0]._replace(stem="b")], NAMES)
    found = find_data(tmp_path)
    box = found.splits[""][0].boxes[0]
    assert (box.name, box.crowd) == ("猫", True)
    assert found.classes == ["cat"]


def test_coco_crowds_and_outlines_stay_and_ignored_go(tmp_path):
    content = layouts.document([ONE[0]._replace(boxes=ONE[0].boxes * 3)], NAMES)
    crowd, ignored, plain = content["annotations"]
    crowd.update(iscrowd=1, segmentation=[[5, 5, 15, 5, 15, 15]])
    ignored.update(ignore=1)
    plain.update(iscrowd=None)
    write(tmp_path / "x.json", content)
    save(tmp_path / "deep/er/a.png", (40, 30))
    found = find_data(tmp_path)
    first, second = found.splits[""][0].boxes
    assert (first.crowd, first.outline) == (True, [[5, 5, 15, 5, 15, 15]])
    assert (second.crowd, second.outline) == (False, None)
    assert "1 annotations marked to be ignored" in notes(found)
    assert "1 annotations whose iscrowd is not written as 0 or 1" in notes(found)


@pytest.mark.parametrize(
    ("mark", "crowd"), [(True, True), (False, False), ("0", False), ("1", True), (1.0, True)]
)
def test_coco_crowds_written_otherwise_are_read_and_counted(tmp_path, mark, crowd):
    content = layouts.document([ONE[0]._replace(boxes=ONE[0].boxes * 2)], NAMES)
    content["annotations"][0]["iscrowd"] = mark
    write(tmp_path / "x.json", content)
    save(tmp_path / "a.png", (40, 30))
    found = find_data(tmp_path)
    assert found.splits[""][0].boxes[0].crowd is crowd
    assert "1 annotations whose iscrowd" in notes(found)


def test_coco_crowds_alone_are_objects(tmp_path):
    content = layouts.document(ONE, NAMES)
    content["annotations"][0].update(iscrowd=1, segmentation=dict(counts=[0, 1200], size=[30, 40]))
    write(tmp_path / "x.json", content)
    save(tmp_path / "a.png", (40, 30))
    found = find_data(tmp_path)
    assert not found.splits[""][0].boxes[0].crowd
    assert "1 files of crowds alone" in notes(found)


@pytest.mark.parametrize(
    "name",
    [
        "/data/upload/1/0a1b2c3d-b%20a.png",
        "/data/local-files/?d=pictures%2Fb%20a.png",
        "https://host/b%20a.png?X-Amz-Date=1",
        "C:\\Users\\me\\upload\\0a1b2c3d-b a.jpg",
    ],
)
def test_coco_names_of_uploads_and_urls(tmp_path, name):
    write(tmp_path / "result.json", layouts.document(ONE, NAMES, lambda e: name))
    save(tmp_path / "images/b a.png", (40, 30))
    assert len(find_data(tmp_path).splits[""]) == 1


@pytest.mark.parametrize("mark", [2, 0.5, "yes", "", [], -1])
def test_coco_crowds_that_could_mean_anything_are_an_error(tmp_path, mark):
    content = layouts.document(ONE, NAMES)
    content["annotations"][0]["iscrowd"] = mark
    write(tmp_path / "x.json", content)
    save(tmp_path / "a.png", (40, 30))
    with pytest.raises(UserError, match=r"x\.json: annotations\[0\] .* iscrowd is"):
        find_data(tmp_path)


def test_coco_categories_of_one_name_are_one_class(tmp_path):
    content = layouts.document(ONE, NAMES)
    content["categories"].append({**content["categories"][0], "id": 77})
    write(tmp_path / "x.json", content)
    save(tmp_path / "a.png", (40, 30))
    found = find_data(tmp_path)
    assert found.classes == ["cat"]
    assert "1 names that several categories have" in notes(found)


def test_yolo_polygons_become_the_box_around_them(tmp_path):
    layouts.yolo_labelimg(tmp_path, ONE, NAMES)
    write(tmp_path / "a.txt", "0 0.25 0.5 0.5 0.5 0.5 1.0")
    box = find_data(tmp_path).splits[""][0].boxes[0]
    assert box[:5] == ("cat", 10, 15, 10, 15)


def test_yolo_keypoints_follow_the_box(tmp_path):
    layouts.yolo(tmp_path, [ONE[0]._replace(split="train")], NAMES)
    described = (tmp_path / "data.yaml").read_text()
    write(tmp_path / "data.yaml", f"{described}kpt_shape: [1, 2]\n")
    write(tmp_path / "labels/train/a.txt", "0 0.5 0.5 0.5 0.5 0.9 0.9")
    assert find_data(tmp_path).splits["train"][0].boxes[0][1:5] == (10, 7.5, 20, 15)


@pytest.mark.parametrize("place", ["/content/pets/train/images", "C:\\pets\\train\\images"])
def test_yolo_paths_of_another_machine(tmp_path, place):
    layouts.yolo_roboflow(tmp_path, [ONE[0]._replace(split="train")], NAMES)
    write(tmp_path / "data.yaml", f"train: {place}\nval: ../valid/images\nnames: {NAMES}\n")
    found = find_data(tmp_path)
    assert contents(found) == {("train", "a.png", (40, 30)): ONE[0].boxes}
    assert "1 entries of data.yaml that are not there" in notes(found)


def test_yolo_labels_of_images_behind_a_link(tmp_path):
    layouts.yolo(tmp_path / "data", [ONE[0]._replace(split="train")], NAMES)
    (tmp_path / "data/images/train").rename(tmp_path / "elsewhere")
    (tmp_path / "data/images/train").symlink_to(tmp_path / "elsewhere")
    found = find_data(tmp_path / "data")
    assert contents(found) == {("train", "a.png", (40, 30)): ONE[0].boxes}
    assert "images" not in notes(found)


@pytest.mark.parametrize("name", ["test 1", "train_1"])
def test_the_name_of_an_image_or_of_the_data_is_no_split(tmp_path, name):
    layouts.voc_beside(tmp_path / "my test project", [ONE[0]._replace(stem=name)], NAMES)
    assert set(find_data(tmp_path).splits) == {""}


def test_folders_of_classes_are_below_the_splits_wherever_these_are(tmp_path):
    for place in ("pets/train/cat", "pets/train/dog", "pets/pets/test/cat"):
        save(tmp_path / place / "1.png", (40, 30))
    save(tmp_path / "preview.png", (40, 30))
    found = find_data(tmp_path)
    assert found.classes == ["cat", "dog"]
    assert {split: len(its) for split, its in found.splits.items()} == {"train": 2, "test": 1}


def test_sizes_are_those_of_the_upright_image(tmp_path):
    layouts.voc_beside(tmp_path, ONE, NAMES)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.png", (40, 30), exif=exif)
    found = find_data(tmp_path)
    assert found.splits[""][0].size == (30, 40)
    assert "1 images of another size than their annotation says" in notes(found)


def test_an_image_of_one_name_in_two_folders_is_the_one_of_the_split(tmp_path):
    for split, side in (("train", 40), ("val", 50)):
        its = [Example(split, "a", (side, 30), [("cat", 5, 5, 10, 10)])]
        layouts.coco_cvat(tmp_path, its, NAMES)
    sizes = {s: p[0].size for s, p in find_data(tmp_path).splits.items()}
    assert sizes == {"train": (40, 30), "val": (50, 30)}


def test_what_is_left_out_is_counted(tmp_path):
    two = [*ONE, ONE[0]._replace(stem="b", boxes=[("cat", 5, 5, 0, 9), ("cat", 90, 0, 9, 9)])]
    layouts.coco_label_studio(tmp_path, [*two, ONE[0]._replace(stem="c")], NAMES)
    (tmp_path / "images/c.png").unlink()
    found = find_data(tmp_path)
    assert [len(p.boxes) for p in found.splits[""]] == [1, 0]
    told = notes(found)
    assert "1 boxes without area" in told
    assert "1 boxes outside their image" in told
    assert "1 images that are not there" in told
    assert "3 classes without an object" in told  # the root among them
    (tmp_path / "images/b.png").write_bytes(b"no image")
    assert "1 images that cannot be read" in notes(find_data(tmp_path))


def test_what_nothing_names_is_counted(tmp_path):
    layouts.yolo(tmp_path, [ONE[0]._replace(split="train")], NAMES)
    save(tmp_path / "images/extra/b.png", (40, 30))
    write(tmp_path / "labels/train/b.txt", "0 0.5 0.5 0.1 0.1")
    write(tmp_path / "train.txt", "./images/train/a.png\r\n./images/train/c.png\r\n")
    write(tmp_path / "data.yaml", f"train: train.txt\nnames: {NAMES}\n")
    write(tmp_path / "broken.yaml", 'path: "C:\\Users"')
    (tmp_path / "README.txt").write_bytes(b"\xe8")
    told = notes(find_data(tmp_path))
    assert "1 YAML files that cannot be read" in told
    assert "1 images that are not there" in told
    assert "1 files of boxes of no image in use" in told
    assert "1 images that no annotation or list names" in told


def test_hidden_files_and_loops_of_links_are_not_entered(tmp_path):
    layouts.class_folders(tmp_path, [*ONE, ONE[0]._replace(boxes=[("dog", 0, 0, 5, 5)])], NAMES)
    save(tmp_path / "cat/.ipynb_checkpoints/a-checkpoint.png", (40, 30))
    (tmp_path / "cat/again").symlink_to(tmp_path)
    assert len(find_data(tmp_path).splits[""]) == 2
