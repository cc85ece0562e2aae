"""Pascal VOC's XML: with or without ImageSets, beside the images or in a folder of any name."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.xml_files import read_xml

from .found import Box, Found, number
from .tree import SPLITS, Tree, split_of

NAME = "Pascal VOC"
SIGN = ".xml files of <annotation>"


def read(tree: Tree) -> Found | None:
    """An image for each XML file; boxes as MMDetection reads them, from 0 on.

    The splits are the lists in ImageSets where there are some, else what the paths name.

    Raises:
        UserError: a file is not valid XML, or holds what is no box.
    """
    roots = {file: root for file in tree.of(".xml") if (root := _root(file)).tag == "annotation"}
    if not roots:
        return None
    found = Found(NAME, tree)
    listed = _listed(tree, found, {end: file for file in roots for end in _ends(file)})
    for file, root in roots.items():
        split = listed.get(file) if listed else split_of(tree.relative(file).parent)
        if split is None:
            found.leave_out("annotations that no list of ImageSets names, left out", file)
            continue
        filename = root.findtext("filename") or file.name
        image = tree.image(f"{file.stem}{Path(filename).suffix}", file) or tree.image(
            filename, file
        )
        if image is None:
            found.leave_out("annotations without their image, left out", file)
            continue
        try:
            boxes = [_box(entry) for entry in root.iterfind("object")]
            sides = [number(root.findtext(f"size/{side}") or 0, side) for side in _SIDES]
        except ValueError as error:
            raise UserError(f"{file}: {error}") from error
        found.add(split, image, boxes, said=(int(sides[0]), int(sides[1])) if all(sides) else None)
        found.classes += [box.name for box in boxes]
    for name in listed.keys() - roots.keys():
        found.leave_out("names in ImageSets without an annotation, left out", name)
    found.classes = sorted(set(found.classes))
    return found


_SIDES = ("width", "height")


def _root(file: Path) -> ET.Element:
    try:
        return read_xml(file)
    except ValueError as error:
        raise UserError(f"{file} is {error}") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from error


def _ends(file: Path) -> list[str]:
    """What a list may call a file: its name, with the folders that it is in or without."""
    parts = file.with_suffix("").parts
    return ["/".join(parts[index:]) for index in range(len(parts))]


def _listed(tree: Tree, found: Found, files: dict[str, Path]) -> dict[str | Path, str]:
    """The split of each file; "" where a list of all (trainval) is the only one that has it.

    A name without a file stands for itself. One with blanks may be quoted.
    """
    splits: dict[str | Path, str] = {}
    lists = [f for f in tree.files if f.suffix == ".txt" and "ImageSets" in f.parts]
    for split in (*SPLITS, ""):
        for file in lists:
            its = "" if file.stem == "trainval" else split_of(Path(file.stem))
            # VOC's own lists of a class are cat_train.txt
            if its == split and "_" not in file.stem:
                text = file.read_text(encoding="utf-8", errors="replace")
                for line in filter(None, map(str.strip, text.splitlines())):
                    word = line.split()[0]
                    name = files.get(line.strip('"')) or files.get(word) or word
                    if splits.setdefault(name, split) != split and split:
                        found.leave_out("names in two lists of ImageSets, left in the first", name)
    return splits


def _box(entry: ET.Element) -> Box:
    name = (entry.findtext("name") or "").strip()
    if not name:
        raise ValueError("an object has no <name>")
    corners = ("xmin", "ymin", "xmax", "ymax")
    left, top, right, bottom = (
        number(entry.findtext(f"bndbox/{corner}"), f"<{corner}> of {name}") for corner in corners
    )
    difficult = bool(number(entry.findtext("difficult") or 0, "<difficult>"))
    # VOC counts pixels from 1
    return Box(name, left - 1, top - 1, right - left, bottom - top, difficult)
