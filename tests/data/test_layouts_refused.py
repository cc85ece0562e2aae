"""What is no data set, or a broken one, is told of in one line."""

from pathlib import Path

import pytest

from mmresneskt.data.layouts import find_data
from mmresneskt.runtime.errors import UserError
from tests.support import layouts
from tests.support.layouts import NAMES, ONE, save, write


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
    write(root / "notes.md", "a,b")
    return root


def masks(root):
    for folder in ("images", "masks"):
        save(root / folder / "1.png", (40, 30))
    return root


def names_that_differ(root):
    for split, names in (("train", NAMES), ("val", NAMES[::-1])):
        layouts.yolo_darknet(root, [ONE[0]._replace(split=split)], names)
    return root


def labels_without_images(root):
    write(root / "labels/a.txt", "0 0.5 0.5 0.1 0.1")
    write(root / "classes.txt", "cat")
    return root


def no_list_of_names(root):
    write(root / "data.yaml", "train: .\nnames: cat\n")
    return root


def unread(name, content):
    """Two folders of images with other annotations, which are not folders of classes."""

    def make(root):
        for folder in ("ds0", "ds1"):
            save(root / folder / "1.png", (40, 30))
            write(root / folder / name, content)
        return root

    return make


def table_beside(root):
    unread("metadata.csv", "file_name")(root)
    return root / "ds0"


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
        (masks, "Looked for .*not images and masks"),
        (names_that_differ, "val/_darknet.labels: its names are"),
        (no_list_of_names, "data.yaml: names is no list of names"),
        (
            unread("1.json", {"shapes": [], "imagePath": "1.png"}),
            "ds0/1.json is LabelMe's, not read",
        ),
        (unread("via.json", {"1": {"regions": [{"region_attributes": {}}]}}), "is VIA's"),
        (unread("1.png.json", {"objects": [{"classTitle": "cat"}]}), "is Supervisely's"),
        (unread("1.json", [{"annotations": [{"from_name": "label"}]}]), "is Label Studio's"),
        (unread("a.xml", "<annotations></annotations>"), "is CVAT's own XML"),
        (table_beside, "metadata.csv is not read: export or convert"),
        (labels_without_images, "no image is named as labels/a.txt"),
        (lambda root: root / "nowhere", "does not exist"),
        (lambda root: Path(__file__), "is no folder, no .json"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, make, said):
    with pytest.raises(UserError, match=said) as caught:
        find_data(make(tmp_path))
    assert "\n" not in str(caught.value)
