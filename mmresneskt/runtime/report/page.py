"""Sections with tables and pictures, as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from jinja2 import Environment
from matplotlib.figure import Figure

LIMIT = 10_000_000
"""Bytes of a report."""

_PICTURE = 100_000  # bytes of a photograph
_LONGEST = 24  # characters of a name in a figure


@dataclass
class Picture:
    """Photographs beside each other, with what to see in them; data URIs."""

    caption: str
    images: list[str]
    small: bool = False


@dataclass
class Section:
    """A part of the page; all texts are plain.

    Attributes:
        notes: paragraphs.
        header, rows: of a table; numbers are shown with three digits, None as a dash.
        figures: what each shows, and its data URI.
    """

    title: str
    notes: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    rows: list[list] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def render(title: str, tiles: dict[str, object], sections: list[Section]) -> bytes:
    """The page; without its pictures where it would be larger than ``LIMIT``.

    Args:
        tiles: the figures that come first, by their names.
    """
    template = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown
    page = environment.from_string(template)
    content = page.render(title=title, tiles=tiles, sections=sections).encode()
    if len(content) > LIMIT:
        for section in sections:
            if section.pictures:
                section.pictures = []
                section.notes.append("Pictures are left out: the report would be over 10 MB.")
        content = page.render(title=title, tiles=tiles, sections=sections).encode()
    return content


def shown(value: object) -> str:
    """A cell's text."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def short(name: str) -> str:
    """A name for a figure, in which there is little room."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


@contextlib.contextmanager
def plain_text() -> Iterator[None]:
    """Matplotlib takes texts as they are; else ``$`` in a name would begin a formula."""
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def png(figure: Figure) -> str:
    """A figure as a data URI."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=130, format="png")
    return _uri("png", picture.getvalue())


def jpeg(image: np.ndarray) -> str:
    """A photograph (H, W, 3), RGB, as a data URI of at most some 100 kB."""
    image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    for quality in (88, 70, 40, 10):
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= _PICTURE:
            break
    return _uri("jpeg", data)


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
