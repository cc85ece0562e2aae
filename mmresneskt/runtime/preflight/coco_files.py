"""Is a file of annotations in COCO's format what MMDetection can read?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from ..images import MAX_PIXELS
from .findings import Counted, Finding, error

_MOST = 500 * 2**20
"""Bytes of a file that is read; a larger one takes minutes and many times its size in memory."""


def coco_problems(key: str, file: Path, masks: bool) -> Iterator[Finding]:
    """Entries that are missing or of the wrong type, as errors; boxes that cannot be right.

    One finding for each kind, with the number of such entries and the first of them.

    Args:
        key: of the file in the config.
        masks: the outlines of objects are used too.
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
    content.setdefault("annotations", [])  # MMDetection does without
    for name in _FIELDS:
        if not isinstance(content.get(name), list):
            yield error(key, f"{file} has no list {name!r}, as COCO's format has it")
            return
    problems = Counted()
    usable = {name: _indexed(problems, name, content[name]) for name in _FIELDS}
    for annotation in usable["annotations"].values():
        _look_at(problems, annotation, usable, masks)
    yield from problems.findings(key, file)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _identity(value: object) -> bool:
    return _whole(value) or isinstance(value, str)


def _side(value: object) -> bool:
    return isinstance(value, (int, float)) and 1 <= value <= MAX_PIXELS


def _text(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _number(value: object) -> bool:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and abs(value) < 1e18  # neither inf nor NaN, and within what numpy holds


def _box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_number, value))


# what each entry must have, and what that must be
_FIELDS: dict[str, dict[str, tuple[Callable[[object], bool], str]]] = {
    "images": {
        "id": (_identity, "a number or text"),
        "file_name": (_text, "text"),
        "height": (_side, "a number of pixels"),
        "width": (_side, "a number of pixels"),
    },
    "categories": {"id": (_whole, "a whole number"), "name": (_text, "text")},
    "annotations": {
        "id": (_identity, "a number or text"),
        "image_id": (_identity, "a number or text"),
        "category_id": (_whole, "a whole number"),
        "bbox": (_box, "[left, top, width, height] in numbers"),
        "area": (_number, "a number"),
    },
}


def _indexed(problems: Counted, name: str, entries: list) -> dict[object, dict]:
    """The entries that have all that they need, by their ids."""
    found: dict[object, dict] = {}
    for number, entry in enumerate(entries):
        where = f"{name}[{number}]"
        if not isinstance(entry, dict):
            problems.add("error", f"{name} that are no dictionaries", where)
            continue
        whole = True
        for field, (fits, wanted) in _FIELDS[name].items():
            if field not in entry or not fits(entry[field]):
                whole = False
                there = f"of which {field!r} is not {wanted}"
                kind = there if field in entry else f"without {field!r}"
                problems.add("error", f"{name} {kind}", f"{where} with {entry.get(field)!r:.60}")
        if whole and entry["id"] in found:
            problems.add("error", f"{name} with the id of another", f"{where}, id {entry['id']}")
        if whole:
            found[entry["id"]] = entry
    return found


def _look_at(problems: Counted, annotation: dict, usable: dict[str, dict], masks: bool) -> None:
    """What one annotation says about its image."""
    where = f"annotation {annotation['id']}"
    image = usable["images"].get(annotation["image_id"])
    if image is None:
        where = f"{where}, image_id {annotation['image_id']}"
        problems.add("warning", "annotations of images that are not listed", where)
        return
    if annotation["category_id"] not in usable["categories"]:
        kind = "annotations of categories that are not listed"
        problems.add("warning", kind, f"{where}, category_id {annotation['category_id']}")
    outline = annotation.get("segmentation")
    if outline is not None and not _outline(outline, image):
        kind = "annotations with a segmentation that is neither polygons nor RLE"
        problems.add("error" if masks else "warning", kind, where)
    if annotation.get("ignore"):
        return
    left, top, width, height = annotation["bbox"]
    if annotation["area"] <= 0:
        width = 0  # MMDetection leaves it out too
    box = (left, top, left + width, top + height)
    seen = f"{where} in {image['file_name']}, {annotation['bbox']}"
    used = problems.add_box(box, image["width"], image["height"], seen)
    if used and masks and not outline:
        kind = "annotations without the segmentation that 'with_mask' takes"
        problems.add("error", kind, where)


def _outline(value: object, image: dict) -> bool:
    if isinstance(value, list):  # polygons; an empty list is no mask
        return all(
            isinstance(polygon, list) and len(polygon) % 2 == 0 and all(map(_number, polygon))
            for polygon in value
        )
    if not isinstance(value, dict) or value.get("size") != [image["height"], image["width"]]:
        return False
    counts = value.get("counts")
    if isinstance(counts, str):
        return True
    whole = isinstance(counts, list) and all(_whole(c) and c >= 0 for c in counts)
    return whole and sum(counts) == math.prod(value["size"])
