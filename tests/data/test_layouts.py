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
from tests.support.layouts import Example, save, write

NAMES = ["cat", "ant eater", "Ziège"]


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
    if layout is layouts.yolo_labelimg:
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


ONE = [Example("", "a", (40, 30), [("cat", 5, 5, 10, 10)])]


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
    box = find_data(tmp_path).splits[""][0].boxes[0]
    assert (box.name, box.crowd) == ("猫", True)


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
    content = layouts.document(ONE, NAMES)
    content["annotations"][0]["iscrowd"] = mark
    write(tmp_path / "x.json", content)
    save(tmp_path / "a.png", (40, 30))
    found = find_data(tmp_path)
    assert found.splits[""][0].boxes[0].crowd is crowd
    assert "1 annotations whose iscrowd" in notes(found)


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


def test_hidden_files_and_loops_of_links_are_not_entered(tmp_path):
    layouts.class_folders(tmp_path, [*ONE, ONE[0]._replace(boxes=[("dog", 0, 0, 5, 5)])], NAMES)
    save(tmp_path / "cat/.ipynb_checkpoints/a-checkpoint.png", (40, 30))
    (tmp_path / "cat/again").symlink_to(tmp_path)
    assert len(find_data(tmp_path).splits[""]) == 2


def broken_json(root):
    write(root / "x.json", '{"images": [')
    return root / "x.json"


def no_coco(root):
    write(root / "x.json", {"a": 1})
    return root / "x.json"


def bad_box(root):
    content = layouts.document(ONE, NAMES)
    content["annotations"][0]["bbox"] = [1, 2, "x", 4]
    write(root / "x.json", content)
    save(root / "a.png", (40, 30))
    return root


def no_image_id(root):
    content = layouts.document(ONE, NAMES)
    del content["annotations"][0]["image_id"]
    write(root / "x.json", content)
    return root


def no_images(root):
    write(root / "x.json", layouts.document(ONE, NAMES))
    return root


def normalised(root):
    layouts.voc_beside(root, [ONE[0]._replace(boxes=[("cat", -0.9, -0.9, 0.3, 0.3)])], NAMES)
    return root


def invalid_xml(root):
    write(root / "a.xml", "<annotation>")
    return root


def unknown_class(root):
    layouts.yolo_labelimg(root, ONE, NAMES)
    write(root / "a.txt", "7 0.5 0.5 0.1 0.1")
    return root


def pixels_for_shares(root):
    layouts.yolo_labelimg(root, ONE, NAMES)
    write(root / "a.txt", "0 20 15 10 10")
    return root


def missing_folder(root):
    write(root / "data.yaml", "train: images/nowhere\nnames: [cat]\n")
    return root


def class_without_training_image(root):
    for path in ("train/a/1.png", "train/b/1.png", "test/c/1.png"):
        save(root / path, (40, 30))
    return root


def nothing(root):
    save(root / "one/1.png", (40, 30))
    write(root / "notes.csv", "a,b")
    return root


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (broken_json, "x.json cannot be read as JSON"),
        (no_coco, "x.json is no COCO file"),
        (bad_box, r"x.json: annotations\[0\] .*'x', not a number"),
        (no_image_id, r"x.json: annotations\[0\] has no 'image_id'"),
        (no_images, "none of its 1 images is below .*a.png"),
        (normalised, "Pixels are expected"),
        (invalid_xml, "a.xml is not valid XML"),
        (unknown_class, "a.txt, line 1: its class 7 is not one of the 3 names"),
        (pixels_for_shares, "a.txt, line 1: its values are shares"),
        (missing_folder, "train: images/nowhere is not there"),
        (class_without_training_image, "c of test has no image in train"),
        (nothing, "Looked for COCO: .*Seen: files 1 .*folders "),
        (lambda root: root / "nowhere", "does not exist"),
        (lambda root: Path(__file__), "is no folder, no .json"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, make, said):
    with pytest.raises(UserError, match=said) as caught:
        find_data(make(tmp_path))
    assert "\n" not in str(caught.value)
