"""Are annotations in Pascal VOC's format what MMDetection can read?"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..limits import MAX_PIXELS
from .boxes import Boxes
from .findings import Counted, Finding, error

_MOST = 20_000
"""Files that are read: seconds."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def voc_problems(
    key: str,
    names: Path,
    annotations: Path,
    classes: tuple[str, ...] | None = None,
    read: Callable[[Path], ET.Element] | None = None,
) -> Iterator[Finding]:
    """The first file that cannot be used is an error; boxes that cannot be right are counted.

    Args:
        key: of the list of names in the config.
        names: that list, a name a line.
        annotations: folder of the XML files.
        classes: of the config, where it has any.
        read: of a dataset that reads the files by it, and takes names without the blanks around
            them; else as MMDetection's does.
    """
    try:
        listed = names.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as failure:
        yield error(key, f"{names} cannot be read: {failure}")
        return
    if read:
        listed = [name.strip() for name in listed if name.strip()]
    problems, boxes = Counted(), Boxes(sizes=False)
    for name in listed[:_MOST]:
        file = annotations / f"{name}.xml"
        try:
            root = read(file) if read else ET.parse(file).getroot()
            for kind in _look_at(boxes, root, str(file)):
                kind = kind.strip() if read else kind
                if classes and kind not in classes:
                    what = "objects of classes that the config does not have, which are left out"
                    problems.add("note", what, f"{kind!r} in {file}")
        except (ET.ParseError, OSError, ValueError) as failure:
            yield error(key, f"{file} cannot be used: {failure}")
            return
    yield from problems.findings(key, names)
    yield from boxes.findings(key, names)


def _look_at(boxes: Boxes, root: ET.Element, where: str) -> Iterator[str]:
    """Note what is odd about each box of one image; gives the names of the objects.

    Raises:
        ValueError: a size, name or corner that cannot be read.
    """
    width = height = math.inf
    size = root.find("size")
    if size is not None:
        width, height = (_number(size, side, whole=True) for side in ("width", "height"))
        if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS):
            raise ValueError(f"its size is {width:.0f}x{height:.0f}")
    for found in root.iterfind("object"):
        name = found.findtext("name") or ""
        if not name.strip():
            raise ValueError("an object has no <name>")
        yield name
        if found.find("difficult") is not None:
            _number(found, "difficult", whole=True)
        box = found.find("bndbox")
        if box is None:
            raise ValueError("an object has no <bndbox>")
        boxes.add([_number(box, corner) for corner in _CORNERS], (width, height), lambda: where)


def _number(parent: ET.Element, tag: str, whole: bool = False) -> float:
    text: Any = parent.findtext(tag)
    try:
        value = int(text) if whole else float(text)
    except (TypeError, ValueError):
        kind = "whole number" if whole else "number"
        raise ValueError(f"<{parent.tag}> has {text!r} as its <{tag}>, not a {kind}") from None
    if not abs(value) < 1e9:
        raise ValueError(f"<{parent.tag}> has {text} as its <{tag}>")
    return value
