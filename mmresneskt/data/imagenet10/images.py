"""Crop and vary one image."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageEnhance

from .plan import MAX_ROTATION, Look

SIZE = 224  # pixels
QUALITY = 95
_RADIANS = math.radians(MAX_ROTATION)
# what a rotated square needs on each side, and two pixels for the bicubic filter
MARGIN = math.ceil(SIZE / 2 * (math.cos(_RADIANS) + math.sin(_RADIANS) - 1)) + 2


def surround(image: Image.Image) -> Image.Image:
    """The centre crop of an RGB image, with a margin to rotate into.

    The short side is scaled to 224 (bicubic, antialiased), the long one in proportion,
    rounded down. The margin shows the image as far as it goes, then its reflection.
    """
    short = min(image.size)
    size = [SIZE if side == short else int(SIZE * side / short) for side in image.size]
    box, padding = [], []
    for old, new in zip(image.size, size):
        first = round((new - SIZE) / 2)
        start, stop = max(first - MARGIN, 0), min(first + SIZE + MARGIN, new)
        box.append((start * old / new, stop * old / new, stop - start))
        padding.append((start - first + MARGIN, first + SIZE + MARGIN - stop))
    # only the part in use is scaled: of a very long image the whole might not fit in memory
    (left, right, width), (top, bottom, height) = box
    scaled = image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    return Image.fromarray(np.pad(np.asarray(scaled), (*padding[::-1], (0, 0)), mode="reflect"))


def crop(surrounded: Image.Image) -> Image.Image:
    """The centre of what :func:`surround` gives: RGB, 224x224."""
    return surrounded.crop((MARGIN, MARGIN, MARGIN + SIZE, MARGIN + SIZE))


def vary(surrounded: Image.Image, look: Look) -> Image.Image:
    """Rotate what :func:`surround` gives (bicubic), change brightness, then contrast: 224x224."""
    angle = math.radians(look.rotation)
    cos, sin = math.cos(angle), math.sin(angle)
    centre = MARGIN + SIZE / 2
    # from a pixel of the result to its place in ``surrounded``; y points down
    matrix: tuple[float, ...] = (cos, -sin, centre - SIZE / 2 * (cos - sin))
    matrix += (sin, cos, centre - SIZE / 2 * (cos + sin))
    image = surrounded.transform(
        (SIZE, SIZE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    image = ImageEnhance.Brightness(image).enhance(look.brightness)
    return ImageEnhance.Contrast(image).enhance(look.contrast)


def encode(image: Image.Image) -> bytes:
    """The image as JPEG, with its colours at full resolution."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return buffer.getvalue()
