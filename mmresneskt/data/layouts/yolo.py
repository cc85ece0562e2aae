"""YOLO's text files: by a data.yaml, or images/ beside labels/, in either order of folders."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

import yaml

from mmresneskt.runtime.decoding import ENDINGS
from mmresneskt.runtime.errors import UserError

from .found import Box, Found, number
from .tree import SPLITS, Tree, size_of, split_of

NAME = "YOLO"
SIGN = "a .yaml with names and train, or .txt files of boxes beside the images or in labels/"
_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


def read(tree: Tree) -> Found | None:
    """Images with the boxes of their text files; without one an image has no object.

    Raises:
        UserError: the data.yaml or a line of a text file cannot be used.
    """
    found = Found(NAME, tree)
    described = _described(tree)
    if described:
        file, document = described
        names = _names(document, file)
        images = [(s, i) for s in SPLITS for i in _images(tree, file, document, s)]
    else:
        images = [(split_of(tree.relative(i).parent), i) for i in tree.images]
        # a folder of photographs beside those that are labelled is no background
        labelled = {i.parent for _, i in images if _holds_boxes(_boxes_file(i))}
        images = [(split, image) for split, image in images if image.parent in labelled]
        listed = next((f for f in tree.files if f.name in ("classes.txt", "obj.names")), None)
        names = dict(enumerate(_lines(listed))) if listed else {}
    if not images:
        return None
    numbers: set[int] = set(names)
    for split, image in images:
        size = size_of(image)
        boxes = _boxes(image, size, names, numbers) if size else []
        found.add(split, image, boxes, size=size)
    found.classes = [names.get(index, str(index)) for index in sorted(numbers)]
    return found


def _described(tree: Tree) -> tuple[Path, dict] | None:
    """The data.yaml and what it says."""
    for file in tree.of(".yaml", ".yml"):
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            if tree.only:
                raise UserError(f"{file} cannot be read as YAML: {error}") from error
            continue
        if isinstance(document, dict) and "names" in document and document.get("train"):
            return file, document
        if tree.only:
            raise UserError(f"{file} has no names and train, as YOLO's data.yaml has them")
    return None


def _names(document: dict, file: Path) -> dict[int, str]:
    names = document["names"]
    try:
        pairs = names.items() if isinstance(names, dict) else enumerate(list(names))
        return {int(index): str(name).strip() for index, name in pairs}
    except (TypeError, ValueError) as error:
        raise UserError(f"{file}: names is no list of names: {error}") from error


def _images(tree: Tree, file: Path, document: dict, split: str) -> list[Path]:
    """The images of a split: of folders, or of lists of files."""
    given = next((document[key] for key in _KEYS[split] if document.get(key)), None)
    if given is None:
        return []
    found: list[Path] = []
    for entry in given if isinstance(given, list) else [given]:
        place = _place(file, document, str(entry))
        if place is None:
            if split == "test":  # often named, and not in the download
                continue
            raise UserError(f"{file}: {split}: {entry} is not there, seen from {file.parent}")
        if place.is_dir():
            files = sorted(p for p in place.rglob("*") if p.suffix.lower() in ENDINGS)
            hidden = [
                p for p in files if any(n.startswith(".") for n in p.relative_to(place).parts)
            ]
            found += [p for p in files if p.is_file() and p not in hidden]
        else:
            found += [p for line in _lines(place) if (p := tree.image(line, place))]
    return found


def _place(file: Path, document: dict, entry: str) -> Path | None:
    """Where an entry leads: by ``path``, from the file, or without the ../ that Roboflow writes."""
    base = file.parent / str(document.get("path") or "")
    inside = PurePath(*(part for part in PurePath(entry).parts if part != ".."))
    places = (base / entry, file.parent / entry, file.parent / inside)
    return next((place.resolve() for place in places if place.exists()), None)


def _boxes_file(image: Path) -> Path | None:
    """The text file of an image: in labels/ in place of the last images/, or beside it."""
    parts = list(image.with_suffix(".txt").parts)
    places = [Path(*parts)]
    if "images" in parts[:-1]:
        last = len(parts) - 1 - parts[::-1].index("images")
        places.insert(0, Path(*parts[:last], "labels", *parts[last + 1 :]))
    return next((place for place in places if place.is_file()), None)


def _holds_boxes(file: Path | None) -> bool:
    """Whether the first line of a text file is a box's."""
    words = next(iter(_lines(file)), "").split() if file else []
    return len(words) > 4 and all(re.fullmatch(r"-?[\d.]+(e-?\d+)?", word) for word in words)


def _boxes(
    image: Path, size: tuple[int, int], names: dict[int, str], numbers: set[int]
) -> list[Box]:
    """An image's boxes; a polygon's is the one around it."""
    file = _boxes_file(image)
    if file is None:
        return []
    boxes = []
    for index, line in enumerate(_lines(file)):
        try:
            label, *values = (number(word, "a value") for word in line.split())
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
