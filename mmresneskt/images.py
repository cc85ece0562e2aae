"""Is a file a whole image of a sensible size? Asked before OpenCV decodes it.

OpenCV fills what is missing of a truncated JPEG with grey and says nothing, and allocates
whatever size a header names.
"""

from __future__ import annotations

import io
import warnings

import cv2
import mmcv
import numpy as np
from PIL import Image

from .imagenet10.images import CorruptImage

MAX_PIXELS = 178_956_970
"""Pillow's own limit, from which on it speaks of a decompression bomb: half a gigabyte of RGB."""

# of formats whose last bytes are known; a JPEG may have a few more behind them
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_TAIL = 64
_JPEG = ("JPEG", "MPO")
_DENSEST = 1024
"""Pixels in a byte of JPEG: each block of 64 takes a bit at least."""


def check_image(data: bytes) -> None:
    """Look at the header and the end of an image file; decode it only where that is not enough.

    Formats that Pillow does not know pass.

    Raises:
        CorruptImage: it is empty, truncated, or has more than ``MAX_PIXELS``; the message
            says why.
    """
    if not data:
        raise CorruptImage("the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images and odd metadata
        try:
            image = Image.open(io.BytesIO(data))
        except Image.UnidentifiedImageError:
            return
        except Image.DecompressionBombError as error:
            raise CorruptImage(_too_large(str(error))) from None
        except Exception as error:  # decoders of broken files raise nearly anything
            raise CorruptImage(str(error) or type(error).__name__) from None
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise CorruptImage(_too_large(f"{width}x{height} pixels"))
        if image.format in _JPEG and width * height > _DENSEST * len(data):
            raise CorruptImage(f"{width}x{height} pixels cannot be in {len(data):,} bytes")
        if _ENDS.get(image.format, b"none") in data[-_TAIL:]:
            return
        try:
            image.load()
        except MemoryError:
            raise
        except Exception as error:
            raise CorruptImage(str(error) or type(error).__name__) from None


def decode_image(data: bytes, flag: str = "color", backend: str | None = None) -> np.ndarray:
    """``mmcv.imfrombytes`` of a whole image of a sensible size.

    Returns:
        (H, W, 3) BGR for ``flag="color"``, with the orientation that EXIF names applied.

    Raises:
        CorruptImage: see :func:`check_image`, or the decoder fails.
    """
    check_image(data)
    try:
        image = mmcv.imfrombytes(data, flag=flag, backend=backend)
    except (cv2.error, OSError, ValueError, SyntaxError) as error:
        raise CorruptImage(" ".join(str(error).split())) from None
    if image is None:
        raise CorruptImage("not an image that OpenCV can read")
    return image


def _too_large(size: str) -> str:
    return f"{size}: over {MAX_PIXELS:,} pixels it is taken for a decompression bomb"
