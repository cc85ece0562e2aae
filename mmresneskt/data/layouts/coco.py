"""COCO's JSON under any names: Roboflow's, CVAT's and Label Studio's exports, COCO's own."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from mmresneskt.runtime.errors import UserError

from .found import Box, Found, number
from .tree import Tree, split_of

NAME = "COCO"
SIGN = "a .json file with images, annotations and categories"


def read(tree: Tree) -> Found | None:
    """Images and boxes of every file in COCO's format; its split is the one that its path names.

    Raises:
        UserError: an entry cannot be used, or none of the images is there.
    """
    found = Found(NAME, tree)
    read_files = ((file, _document(file, found)) for file in tree.of(".json"))
    documents = {file: document for file, document in read_files if document}
    if not documents:
        if tree.only and tree.only.suffix.lower() == ".json":
            raise UserError(f"--data {tree.only} is no COCO file: looked for {SIGN}")
        return None
    names = {}
    for file in sorted(_detections(documents, found)):
        split = "" if tree.only else split_of(tree.relative(file))
        names.update(_add(found, file, documents[file], split))
    found.classes = list(dict.fromkeys(name for _, name in sorted(names.items())))
    return found


def _document(file: Path, found: Found) -> dict | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if found.tree.only:
            raise UserError(f"--data {file} cannot be read as JSON: {error}") from error
        found.leave_out("JSON files that cannot be read, left out", f"{file}: {error}")
        return None
    lists = ("images", "annotations", "categories")
    usable = isinstance(document, dict) and all(isinstance(document.get(k), list) for k in lists)
    return document if usable else None


def _detections(documents: dict[Path, dict], found: Found) -> list[Path]:
    """Of COCO's own files of one split (captions, keypoints) those of the objects; none empty."""
    kept = []
    for file, document in documents.items():
        others = [f for f in documents if split_of(f) == split_of(file) and f.parent == file.parent]
        objects = [f for f in others if f.name.startswith("instances")]
        if not document["annotations"] and len(documents) > 1:
            found.leave_out("files without an annotation, left out", file)
        elif objects and file not in objects:
            found.leave_out("files beside the one of the objects, left out", file)
        else:
            kept.append(file)
    return kept


def _add(found: Found, file: Path, document: dict, split: str) -> dict[tuple, str]:
    """Take a file's images, and return its categories' names by their ids."""
    where = "categories"
    try:
        names = {entry["id"]: _name(entry["name"]) for entry in document["categories"]}
        for name in (name for name, count in Counter(names.values()).items() if count > 1):
            found.leave_out("names that several categories have, taken for one class", name)
        boxes: dict[Any, list[Box]] = defaultdict(list)
        for index, entry in enumerate(document["annotations"]):
            where = f"annotations[{index}]"
            if entry.get("ignore"):
                found.leave_out("annotations marked to be ignored, left out", f"{file}, {where}")
            elif entry.get("bbox"):
                boxes[entry["image_id"]].append(_box(entry, names))
                if type(entry.get("iscrowd", 0)) is not int:
                    kind = "annotations whose iscrowd is not written as 0 or 1; null is taken for 0"
                    found.leave_out(kind, f"{file}, {where}")
            else:
                found.leave_out("annotations without a bbox, left out", f"{file}, {where}")
        if boxes and all(b.crowd for its in boxes.values() for b in its):  # CVAT's painted masks
            found.leave_out("files of crowds alone (iscrowd 1), taken for objects", file)
            boxes = {key: [b._replace(crowd=False) for b in its] for key, its in boxes.items()}
        listed = 0
        for index, entry in enumerate(document["images"]):
            where = f"images[{index}]"
            image = found.tree.image(_name(entry["file_name"]), file)
            its = boxes.pop(entry["id"], [])
            if image is None:
                found.leave_out(
                    "images that are not there, left out", f"{file}: {entry['file_name']}"
                )
                continue
            listed += 1
            sides = entry.get("width"), entry.get("height")
            said = (int(sides[0]), int(sides[1])) if all(sides) else None
            found.add(split, image, its, said=said)
        where = "categories"
        ids = {(number(key, "id"), name): name for key, name in names.items()}
    except KeyError as error:
        raise UserError(f"{file}: {where} has no {error}, as COCO's format has it") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{file}: {where} is not as COCO's format has it: {error}") from error
    if not listed:
        names_of_images = [entry["file_name"] for entry in document["images"]]
        raise UserError(
            f"{file}: none of its {len(names_of_images)} images is below {found.root}, the first "
            f"is {names_of_images[:1]}. Give the folder that holds both with --data"
        )
    for key in boxes:
        found.leave_out("image_ids of annotations that no image has, left out", f"{file}: {key}")
    return ids


def _name(value: object) -> str:
    if not isinstance(value, (str, int)) or not str(value).strip():
        raise ValueError(f"{value!r:.40} is no name")
    return str(value).strip()


def _box(entry: dict, names: dict) -> Box:
    if entry["category_id"] not in names:
        raise ValueError(f"its category_id {entry['category_id']!r:.40} is not among categories")
    left, top, width, height = (number(value, "a value of bbox") for value in entry["bbox"])
    mark = entry.get("iscrowd")
    crowd = mark if isinstance(mark, bool) else number(0 if mark is None else mark, "iscrowd")
    if crowd not in (0, 1):
        raise ValueError(f"iscrowd is {mark!r:.40}, not 0 or 1")
    outline = entry.get("segmentation") or None
    return Box(names[entry["category_id"]], left, top, width, height, bool(crowd), outline)
