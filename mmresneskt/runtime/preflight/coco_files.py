"""Is a file of annotations in COCO's format what MMDetection can read?"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ..images import MAX_PIXELS
from .findings import Finding, error, warning

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
    for name in ("images", "categories"):
        if not isinstance(content.get(name), list):
            yield error(key, f"{file} has no list {name!r}, as COCO's format has it")
            return
    if not isinstance(content.get("annotations", []), list):
        yield error(key, f"{file}: its 'annotations' are no list")
        return
    problems = _Problems(key, file, masks)
    images = problems.indexed("images", content["images"], _IMAGE)
    categories = problems.indexed("categories", content["categories"], _CATEGORY)
    annotations = content.get("annotations", [])
    for annotation in problems.indexed("annotations", annotations, _ANNOTATION).values():
        problems.look_at(annotation, images, categories)
    yield from problems.findings()


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


_Fields = dict[str, tuple[Callable[[object], bool], str]]
_IMAGE: _Fields = {
    "id": (_identity, "a number or text"),
    "file_name": (_text, "text"),
    "height": (_side, "a number of pixels"),
    "width": (_side, "a number of pixels"),
}
_CATEGORY: _Fields = {"id": (_whole, "a whole number"), "name": (_text, "text")}
_ANNOTATION: _Fields = {
    "id": (_identity, "a number or text"),
    "image_id": (_identity, "a number or text"),
    "category_id": (_whole, "a whole number"),
    "bbox": (_box, "[left, top, width, height] in numbers"),
    "area": (_number, "a number"),
}


class _Problems:
    """Kinds of problems with how many entries have them, and the first."""

    def __init__(self, key: str, file: Path, masks: bool) -> None:
        self.key, self.file, self.masks = key, file, masks
        self.first: dict[tuple[str, str], str] = {}
        self.count: Counter[tuple[str, str]] = Counter()

    def add(self, level: str, kind: str, first: str) -> None:
        self.first.setdefault((level, kind), first)
        self.count[level, kind] += 1

    def findings(self) -> Iterator[Finding]:
        for (level, kind), first in self.first.items():
            make = error if level == "error" else warning
            count = self.count[level, kind]
            yield make(self.key, f"{self.file}: {count} {kind}, the first: {first}")

    def indexed(self, name: str, entries: list, fields: _Fields) -> dict[int, dict]:
        """The entries that have all that they need, by their ids."""
        found: dict[int, dict] = {}
        for number, entry in enumerate(entries):
            where = f"{name}[{number}]"
            if not isinstance(entry, dict):
                self.add("error", f"{name} that are no dictionaries", where)
                continue
            whole = True
            for field, (fits, wanted) in fields.items():
                if field not in entry:
                    self.add("error", f"{name} without {field!r}", where)
                    whole = False
                elif not fits(entry[field]):
                    value = repr(entry[field])[:60]
                    kind = f"{name} of which {field!r} is not {wanted}"
                    self.add("error", kind, f"{where} with {value}")
                    whole = False
            if not whole:
                continue
            if entry["id"] in found:
                self.add("error", f"{name} with the id of another", f"{where}, id {entry['id']}")
            found[entry["id"]] = entry
        return found

    def look_at(self, annotation: dict, images: dict, categories: dict) -> None:
        """What one annotation says about its image."""
        where = f"annotation {annotation['id']}"
        image = images.get(annotation["image_id"])
        if image is None:
            unknown = f"{where}, image_id {annotation['image_id']}"
            self.add("warning", "annotations of images that are not listed", unknown)
            return
        if annotation["category_id"] not in categories:
            unknown = f"{where}, category_id {annotation['category_id']}"
            self.add("warning", "annotations of categories that are not listed", unknown)
        if "segmentation" in annotation and not _outline(annotation["segmentation"], image):
            kind = "annotations with a segmentation that is neither polygons nor RLE"
            self.add("error" if self.masks else "warning", kind, where)
        left, top, width, height = annotation["bbox"]
        if annotation.get("ignore"):
            return
        right, bottom = left + width, top + height
        seen = f"{where} in {image['file_name']}, {annotation['bbox']}"
        if width < 1 or height < 1 or annotation["area"] <= 0:
            self.add("warning", "boxes without area, which are left out", seen)
            return
        if left >= image["width"] or top >= image["height"] or right <= 0 or bottom <= 0:
            self.add("warning", "boxes outside their image, which are left out", seen)
            return
        if left < -1 or top < -1 or right > image["width"] + 1 or bottom > image["height"] + 1:
            self.add("warning", "boxes that reach out of their image", seen)
        if self.masks and not annotation.get("segmentation"):
            self.add("error", "annotations without the segmentation that 'with_mask' takes", where)


def _outline(value: object, image: dict) -> bool:
    if isinstance(value, list):  # polygons; an empty list is no mask
        return all(
            isinstance(polygon, list) and len(polygon) % 2 == 0 and all(map(_number, polygon))
            for polygon in value
        )
    if value is None:
        return True
    if not isinstance(value, dict) or not isinstance(value.get("size"), list):
        return False
    if value["size"] != [image["height"], image["width"]]:
        return False
    counts = value.get("counts")
    if isinstance(counts, str):
        return True
    whole = isinstance(counts, list) and all(_whole(c) and c >= 0 for c in counts)
    return whole and sum(counts) == math.prod(value["size"])
