"""Is a file of annotations in COCO's format what MMDetection can read?"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from pathlib import Path

from ..coco import settle
from ..limits import MAX_PIXELS
from .boxes import Boxes
from .findings import Counted, Finding, error

_MOST = 500 * 2**20
"""Bytes of a file that is read; a larger one takes minutes and many times its size in memory."""


def coco_problems(
    key: str, file: Path, masks: bool, classes: tuple[str, ...] | None = None
) -> Iterator[Finding]:
    """Entries that are missing or of the wrong type, as errors; boxes that cannot be right.

    One finding for each kind, with the number of such entries and the first of them. What is
    read as it must be meant (:func:`settle`) is a note.

    Args:
        key: of the file in the config.
        masks: the outlines of objects are used too.
        classes: of the config, where it has any.
    """
    if file.stat().st_size > _MOST:
        return
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as failure:
        yield error(key, f"{file} cannot be read as JSON: {failure}")
        return
    if not isinstance(content, dict):
        yield error(key, f"{file} holds no COCO annotations, but a {type(content).__name__}")
        return
    content.setdefault("annotations", [])  # as of a test set
    for name in _FIELDS:
        if not isinstance(content.get(name), list):
            yield error(key, f"{file} has no list {name!r}, as COCO's format has it")
            return
    problems, boxes = Counted(), Boxes(sizes=True)
    usable = {name: _indexed(problems, name, content[name]) for name in _FIELDS}
    for annotation in usable["annotations"].values():
        if _look_at(problems, annotation, usable, masks):
            _look_at_box(problems, boxes, annotation, usable, masks)
            name = usable["categories"][annotation["category_id"]]["name"]
            if classes and name not in classes:
                kind = "objects of classes that the config does not have, which are left out"
                problems.add("note", kind, f"annotation {annotation['id']}, {name!r}")
    kinds = {type(image): image for image in usable["images"]}
    if len(kinds) > 1:  # an evaluation sorts them
        problems.add("error", "images with a number, others with a text as id", f"{kinds}")
    settle(content, functools.partial(problems.add, "note"))
    _look_at_names(problems, content)
    yield from problems.findings(key, file)
    yield from boxes.findings(key, file)


_NUMBER = (int, float)
_ID = ((int, str), "a number or text")
_TEXT = ((str,), "text")
_WHOLE = ((int,), "a whole number")
_SIDE = (_NUMBER, "a number of pixels")
# what each entry must have: its type, and how that is said
_FIELDS: dict[str, dict[str, tuple[tuple[type, ...], str]]] = {
    "images": {"id": _ID, "file_name": _TEXT, "height": _SIDE, "width": _SIDE},
    "categories": {"id": _WHOLE, "name": _TEXT},
    "annotations": {
        "id": _ID,
        "image_id": _ID,
        "category_id": _WHOLE,
        "bbox": ((list,), "[left, top, width, height] in numbers"),
        "area": (_NUMBER, "a number"),
    },
}
_MARKS = (("iscrowd", (0, 1)), ("ignore", (0, 1, None)))


def _fits(value: object, types: tuple, field: str = "") -> bool:
    if not isinstance(value, types) or value is True or value is False:
        return False
    if isinstance(value, str):
        return value != "" and "\0" not in value
    if isinstance(value, list):
        return len(value) == 4 and all(type(n) in _NUMBER and abs(n) < 1e18 for n in value)
    if field in ("height", "width"):
        return 1 <= value <= MAX_PIXELS
    return abs(value) < 1e18  # neither inf nor NaN, and within what numpy holds


def _indexed(problems: Counted, name: str, entries: list) -> dict[object, dict]:
    """The entries that have all that they need, by their ids."""
    found: dict[object, dict] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            problems.add("error", f"{name} that are no dictionaries", f"{name}[{number}]")
            continue
        whole = True
        for field, (types, wanted) in _FIELDS[name].items():
            if not _fits(entry.get(field), types, field):
                whole = False
                there = f"of which {field!r} is not {wanted}"
                kind = there if field in entry else f"without {field!r}"
                where = f"{name}[{number}] with {entry.get(field)!r:.60}"
                problems.add("error", f"{name} {kind}", where)
        if whole and entry["id"] in found:
            where = f"{name}[{number}], id {entry['id']}"
            problems.add("error", f"{name} with the id of another", where)
        if whole:
            found[entry["id"]] = entry
    return found


def _look_at(problems: Counted, annotation: dict, usable: dict[str, dict], masks: bool) -> bool:
    """What one annotation says about its image; whether it is an object."""

    def tell(level: str, kind: str, more: str = "") -> None:
        problems.add(level, kind, f"annotation {annotation['id']}{more}")

    for field, others in _MARKS:
        value = annotation.get(field, 0)
        if isinstance(value, str) or value not in others:  # "0" would count as true
            kind = f"annotations of which {field!r} is neither 0 nor 1"
            tell("error", kind, f" with {value!r:.60}")
    image = usable["images"].get(annotation["image_id"])
    if image is None:
        kind = "annotations of images that are not listed"
        tell("warning", kind, f", image_id {annotation['image_id']}")
        return False
    outline = annotation.get("segmentation")
    if outline is not None and not _outline(outline, image):
        kind = "annotations with a segmentation that is neither polygons nor RLE"
        tell("error" if masks else "warning", kind)
    elif masks and isinstance(outline, list) and any(len(polygon) < 6 for polygon in outline):
        kind = "annotations with polygons of fewer than three points, without which they are used"
        if all(len(polygon) < 6 for polygon in outline):
            kind = "annotations with no polygon of three points, which are not trained on"
        tell("warning", kind)
    if annotation["category_id"] not in usable["categories"]:
        kind = "annotations of categories that are not listed"
        tell("warning", kind, f", category_id {annotation['category_id']}")
        return False
    if annotation.get("ignore") == 1:
        tell("note", "annotations to 'ignore', which are left out")
    return not annotation.get("ignore")


def _look_at_box(
    problems: Counted, boxes: Boxes, annotation: dict, usable: dict[str, dict], masks: bool
) -> None:
    image = usable["images"][annotation["image_id"]]

    def where() -> str:
        return f"annotation {annotation['id']} in {image['file_name']}, {annotation['bbox']}"

    used = boxes.add(annotation["bbox"], (image["width"], image["height"]), where)
    if used and annotation["area"] <= 0:
        kind = "annotations with no 'area' above 0, which are left out"
        problems.add("warning", kind, where())
    elif used and masks and not annotation.get("segmentation"):
        kind = "annotations without the segmentation that 'with_mask' takes"
        problems.add("error", kind, where())


def _look_at_names(problems: Counted, content: dict) -> None:
    """Several categories that are one class to MMDetection, which goes by their names."""
    ids: dict[str, list] = {}
    for category in content["categories"]:
        if isinstance(category, dict):
            ids.setdefault(str(category.get("name")), []).append(category.get("id"))
    for name, same in ids.items():
        if len(same) > 1:
            used = {a.get("category_id") for a in content["annotations"] if isinstance(a, dict)}
            without = [i for i in same if i not in used]
            where = f"{name!r} with the ids {same}, of which {without or 'none'} has no annotations"
            problems.add("error", "categories of one name: keep one, or rename the others", where)


def _outline(value: object, image: dict) -> bool:
    if isinstance(value, list):  # polygons; an empty list is no mask
        return all(
            isinstance(polygon, list)
            and polygon
            and len(polygon) % 2 == 0
            and all(_fits(number, _NUMBER) for number in polygon)
            for polygon in value
        )
    if not isinstance(value, dict) or value.get("size") != [image["height"], image["width"]]:
        return False
    counts = value.get("counts")
    if isinstance(counts, str):
        return True
    if not isinstance(counts, list) or not all(type(c) is int and c >= 0 for c in counts):
        return False
    return sum(counts) == math.prod(value["size"])
