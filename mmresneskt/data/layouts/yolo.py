"""YOLO's text files: by a data.yaml, or images/ beside labels/, in either order of folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePath

import yaml

from mmresneskt.runtime.errors import UserError

from .found import Box, Found, number
from .tree import SPLIT_NAMES, SPLITS, Tree, size_of, split_of

NAME = "YOLO"
SIGN = "a .yaml with names and train, or .txt files of boxes that are named as the images"
_LISTS = re.compile(r"classes\.txt|.*\.names|_darknet\.labels")
"""Files of the classes' names, a line each."""


def read(tree: Tree) -> Found | None:
    """Images with the boxes of their text files; without one an image has no object.

    Raises:
        UserError: the data.yaml or a line of a text file cannot be used.
    """
    found = Found(NAME, tree)
    described = _described(tree, found)
    document: dict = {}
    if described:
        path, document = described
        names = _names(document, path)
        images = [(s, i) for s in SPLITS for i in _images(found, path, document, s)]
        files = _boxes_files(image for _, image in images)
    else:
        files = _boxes_files(tree.images)
        if not any(map(holds_boxes, files.values())) and not tree.of(".xml"):
            texts = {f: tree.image(f"{f.stem}.jpg", f) for f in tree.of(".txt") if holds_boxes(f)}
            files = {image: file for file, image in texts.items() if image}
        # a folder of photographs beside those that are labelled is no background
        labelled = {image.parent for image, file in files.items() if holds_boxes(file)}
        images = [(split_of(tree.relative(i).parent), i) for i in tree.images]
        images = [(split, image) for split, image in images if image.parent in labelled]
        names = _listed(tree) if images else {}
    if not images:
        return None
    others = set(tree.of(".txt")).difference(files.values())
    for text in filter(holds_boxes, sorted(others)):
        found.leave_out("files of boxes of no image in use, left out", text)
    numbers: set[int] = set(names)
    for split, image in images:
        size = size_of(image)
        file = files.get(image)
        boxes = _boxes(file, size, names, numbers, document) if file and size else []
        found.add(split, image, boxes, size=size)
    found.classes = [names.get(index, str(index)) for index in sorted(numbers)]
    return found


def _listed(tree: Tree) -> dict[int, str]:
    """The names of the longest list, with which the others must agree."""
    files = [file for file in tree.files if _LISTS.fullmatch(file.name)]
    longest = max(map(_lines, files), key=len, default=[])
    for file in files:
        if (names := _lines(file)) != longest[: len(names)]:
            differ = f"its names are {names!r:.80}, and those of another list {longest!r:.80}"
            raise UserError(f"{file}: {differ}. Number the classes alike")
    return dict(enumerate(longest))


def _described(tree: Tree, found: Found) -> tuple[Path, dict] | None:
    """The data.yaml and what it says."""
    for file in tree.of(".yaml", ".yml"):
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            if tree.only:
                raise UserError(f"{file} cannot be read as YAML: {error}") from error
            found.leave_out("YAML files that cannot be read, left out", f"{file}: {error}")
            continue
        if isinstance(document, dict) and "names" in document and document.get("train"):
            return file, document
        if tree.only:
            raise UserError(f"{file} has no names and train, as YOLO's data.yaml has them")
    return None


def _names(document: dict, file: Path) -> dict[int, str]:
    names = document["names"]
    try:
        pairs = enumerate(names) if isinstance(names, list) else names.items()
        return {int(index): str(name).strip() for index, name in pairs}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{file}: names is no list of names: {error}") from error


def _images(found: Found, file: Path, document: dict, split: str) -> list[Path]:
    """The images of a split: of folders, or of lists of files."""
    given = next((v for k, v in document.items() if SPLIT_NAMES.get(k) == split and v), None)
    if given is None:
        return []
    images: list[Path] = []
    for entry in given if isinstance(given, list) else [given]:
        place = _place(file, document, str(entry))
        if place is None:
            if split == "train":
                raise UserError(f"{file}: {split}: {entry} is not there, seen from {file.parent}")
            # often named, and not in the download
            found.leave_out(f"entries of {file.name} that are not there", f"{split}: {entry}")
        elif place.is_dir():
            images += Tree(place).images
        else:
            listed = {line: found.tree.image(line, place) for line in _lines(place)}
            images += filter(None, listed.values())
            for line in (line for line, image in listed.items() if not image):
                found.leave_out("images that are not there, left out", f"{place}: {line}")
    return images


def _place(file: Path, document: dict, entry: str) -> Path | None:
    """Where an entry leads: by ``path``, or from the file, where some of its first parts are
    left out: Roboflow writes a ../ too many, and paths may be those of another machine."""
    entry = entry.replace("\\", "/")
    base = file.parent / str(document.get("path") or "")
    inside = [part for part in PurePath(entry).parts if part not in ("..", "/")]
    ends = (PurePath(*inside[index:]) for index in range(max(1, len(inside) - 1)))
    places = (base / entry, file.parent / entry, *(file.parent / end for end in ends))
    return next((Path(os.path.normpath(place)) for place in places if place.exists()), None)


def _boxes_files(images: Iterable[Path]) -> dict[Path, Path]:
    """The text file of each image: in labels/ in place of the last images/, or beside it."""
    found: dict[Path, Path] = {}
    for image in images:
        parts, folders = image.parent.parts, [image.parent]
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            folders.insert(0, Path(*parts[:last], "labels", *parts[last + 1 :]))
        places = (folder / f"{image.stem}{end}" for folder in folders for end in (".txt", ".TXT"))
        if place := next((place for place in places if place.is_file()), None):
            found[image] = place
    return found


def holds_boxes(file: Path) -> bool:
    """Whether the first line of a text file is a box's."""
    try:
        words = next(iter(_lines(file)), "").split()
    except UserError:  # some other text
        return False
    return len(words) > 4 and all(re.fullmatch(r"-?[\d.]+(e-?\d+)?", word) for word in words)


def _boxes(
    file: Path, size: tuple[int, int], names: dict[int, str], numbers: set[int], document: dict
) -> list[Box]:
    """An image's boxes; a polygon's is the one around it."""
    boxes = []
    for index, line in enumerate(_lines(file)):
        try:
            label, *values = (number(word, "a value") for word in line.split())
            values = values[:4] if "kpt_shape" in document else values
            if len(values) != 4 and (len(values) < 6 or len(values) % 2):
                raise ValueError(f"{len(values)} values behind the class, not x y width height")
            if label != int(label) or label < 0 or (names and label not in names):
                raise ValueError(f"its class {label:g} is not one of the {len(names)} names")
            if max(map(abs, values)) > 2:
                raise ValueError("its values are shares of the image's sides, from 0 to 1")
        except ValueError as error:
            raise UserError(f"{file}, line {index + 1}: {error}") from error
        numbers.add(int(label))
        name = names.get(int(label), str(int(label)))
        boxes.append(Box(name, *_pixels(values, *size)))
    return boxes


def _pixels(values: list[float], width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, width and height in pixels."""
    if len(values) == 4:
        x, y, w, h = values
        left, top = x - w / 2, y - h / 2
    else:
        left, top = min(values[::2]), min(values[1::2])
        w, h = max(values[::2]) - left, max(values[1::2]) - top
    # shares of a few digits: what is one pixel is to be one
    left, top, w, h = (round(v, 3) for v in (left * width, top * height, w * width, h * height))
    return left, top, w, h


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
