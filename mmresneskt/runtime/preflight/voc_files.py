"""Are annotations in Pascal VOC's format what MMDetection can read?"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..limits import MAX_PIXELS
from .findings import Counted, Finding, error

_MOST = 20_000
"""Files that are read: seconds."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def voc_problems(key: str, names: Path, annotations: Path) -> Iterator[Finding]:
    """The first file that cannot be used is an error; boxes that cannot be right are counted.

    Args:
        key: of the list of names in the config.
        names: that list, a name a line.
        annotations: folder of the XML files.
    """
    try:
        listed = names.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as failure:
        yield error(key, f"{names} cannot be read: {failure}")
        return
    problems = Counted()
    for name in listed[:_MOST]:
        file = annotations / f"{name.strip()}.xml"
        try:
            _look_at(problems, ET.parse(file).getroot(), str(file))
        except (ET.ParseError, OSError, ValueError) as failure:
            invalid = "is not valid XML" if isinstance(failure, ET.ParseError) else "cannot be used"
            yield error(key, f"{file} {invalid}: {failure}")
            return
    yield from problems.findings(key, names)


def _look_at(problems: Counted, root: ET.Element, where: str) -> None:
    """Note what is odd about each box of one image.

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
        if not (found.findtext("name") or "").strip():
            raise ValueError("an object has no <name>")
        if found.find("difficult") is not None:
            _number(found, "difficult", whole=True)
        box = found.find("bndbox")
        if box is None:
            raise ValueError("an object has no <bndbox>")
        problems.add_box([_number(box, corner) for corner in _CORNERS], width, height, where)


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
