"""Boxes with their names and scores on an image of any size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

_COLORS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
"""Of Tableau, ten kinds that are told apart well."""
_SMALLEST = 480  # pixels of the long side: under it there is no room for names
_Rectangle = tuple[float, float, float, float]


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray | Sequence[Sequence[float]],
    labels: np.ndarray | Sequence[int],
    texts: Sequence[str],
) -> np.ndarray:
    """The image with its boxes, a colour for each class.

    A small image is enlarged by a whole factor, to 480 pixels or more on its long side;
    lines and letters grow with the image.

    Args:
        image: (H, W, 3), RGB, uint8.
        boxes: (left, top, right, bottom) of each.
        labels: number of the class of each.
        texts: what to write at each.

    Returns:
        RGB, uint8, (H, W, 3) or a multiple of it.
    """
    factor = math.ceil(_SMALLEST / max(image.shape[:2]))
    height, width = (factor * side for side in image.shape[:2])
    picture = Image.fromarray(np.ascontiguousarray(image)).resize((width, height))
    draw = ImageDraw.Draw(picture)
    line = max(2, round(max(height, width) / 400))
    font = _font(max(11, round(max(height, width) / 55)))
    placed: list[_Rectangle] = []
    scaled = [tuple(factor * float(value) for value in box) for box in boxes]
    for box, label in zip(scaled, labels):
        draw.rectangle(box, outline=_color(int(label)), width=line)
    for box, label, text in zip(scaled, labels, texts):
        color = _color(int(label))
        spot = _place(box, draw.textbbox((0, 0), text, font), (width, height), placed)
        placed.append(spot)
        draw.rectangle(spot, fill=color)
        dark = np.dot(color, (0.299, 0.587, 0.114)) < 140
        draw.text(spot[:2], text, "white" if dark else "black", font)
    return np.asarray(picture)


def draw_found(image: np.ndarray, found: Sequence[np.ndarray], meta: dict) -> np.ndarray:
    """:func:`draw_boxes` of what a model has found, each with its class and score.

    Args:
        image: (H, W, 3), RGB, uint8.
        found: boxes (K, 4), scores (K,) and labels (K,).
        meta: of the data set, with the names of its ``classes``.
    """
    boxes, scores, labels = found
    names = [class_name(label, meta) for label in labels.tolist()]
    texts = [f"{name} {score:.2f}" for name, score in zip(names, scores.tolist())]
    return draw_boxes(image, boxes, labels, texts)


def class_name(label: int, meta: dict) -> str:
    classes = meta.get("classes") or ()
    return str(classes[label]) if label < len(classes) else f"class {label}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Matplotlib's, which has most alphabets; Pillow's own where there is no Matplotlib.

    Matplotlib itself would take as long to load as everything else that draws.
    """
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        return ImageFont.load_default(size)
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), size)


def _color(label: int) -> tuple[int, ...]:
    return ImageColor.getrgb(_COLORS[label % len(_COLORS)])


def _place(
    box: _Rectangle, text: _Rectangle, size: tuple[int, int], placed: list[_Rectangle]
) -> _Rectangle:
    """Where a text hides none of those placed before, if there is such a place."""
    width, height = text[2] + 2, text[3] + 2
    spots = []
    for left, top in _corners(box, width, height):
        left = min(max(left, 0), max(size[0] - width, 0))
        top = min(max(top, 0), max(size[1] - height, 0))
        spots.append((left, top, left + width, top + height))
    return min(spots, key=lambda spot: sum(_overlap(spot, other) for other in placed))


def _corners(box: _Rectangle, width: float, height: float) -> Iterator[tuple[float, float]]:
    """Above, inside and below the box, the usual place first."""
    left, top, right, bottom = box
    for y in (top - height, top, bottom, bottom - height):
        yield left, y
        yield right - width, y


def _overlap(one: _Rectangle, other: _Rectangle) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)
