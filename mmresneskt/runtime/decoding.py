"""Images of strangers: of a few formats and a sensible size, whole, decoded in seconds.

OpenCV fills what is missing of a truncated JPEG with grey and says nothing, and knows formats
whose size nobody has looked at. Any decoder can be kept busy for minutes by a file of kilobytes.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFile, ImageOps

from .limits import MAX_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    from mmengine.fileio import BaseStorageBackend

_FORMATS = {
    **{".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".gif": "GIF"},
    **{".ppm": "PPM", ".pgm": "PPM", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"},
}
FORMATS = tuple(dict.fromkeys(_FORMATS.values()))
"""What is decoded, whatever a file's name says, in Pillow's names."""

ENDINGS = tuple(_FORMATS)
"""Of the files of a folder that are taken for images."""

_JPEG = ("JPEG", "MPO")
# of formats whose last bytes are known; a JPEG may have a few more behind them
_ENDS = {**dict.fromkeys(_JPEG, b"\xff\xd9"), "PNG": b"IEND\xaeB`\x82"}
_TAIL = 64
_ORIENTATION = 0x0112  # EXIF's
_DENSEST = 1024
"""Pixels in a byte of JPEG: each block of 64 takes a bit at least."""

# What keeps a decoder busy, with the seconds that the limit allows, of one core of an AMD EPYC
_SCANNED = 32 * MAX_PIXELS
"""Pixels of all scans of a JPEG, each of which may be a few bytes: 5 s."""
_SCAN = b"\xff\xda"
_TEXTS = 32
"""Texts in a PNG, each of which may unfold to 8 MB: 1 s."""
_TEXT = (b"zTXt", b"iTXt")
_HEADER = 1 << 23
"""Bytes before the first pixel, which Pillow walks through in Python: 2 s."""
_WHOLE = (b"II", b"MM", b"RIFF")
"""How files begin, TIFF and WebP, whose header may be anywhere."""
_IN_PYTHON = 1 << 20
"""Pixels of what Pillow decodes in Python, such as BMP with run lengths and PPM in text: 2 s."""
_TILE = (322, 323)
"""TIFF's tags of the width and height of a tile, all of which is decoded."""


class CorruptImage(Exception):
    """An image that is not decoded, or cannot be to its end; the message says why."""


def read_file(path: str | Path) -> bytes:
    """The content of a regular file that is no larger than an image can be.

    Raises:
        CorruptImage: it is larger than ``MAX_BYTES``, or something else: a FIFO would be waited
            for, and a device has no end.
        OSError: it cannot be read.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise CorruptImage("it is no regular file")
    if found.st_size > MAX_BYTES:
        raise CorruptImage(f"{found.st_size:,} bytes, which is more than {MAX_BYTES:,}")
    with open(path, "rb", opener=_without_waiting) as file:
        return file.read(found.st_size)


def read_stored(storage: BaseStorageBackend, path: str) -> bytes:
    """The same of an image of a data set, in any of mmengine's storages.

    Raises:
        CorruptImage: see :func:`read_file`, of a local file.
        OSError: it cannot be read.
    """
    from mmengine.fileio import LocalBackend  # read_rgb needs Pillow alone

    local = type(storage).get is LocalBackend.get
    return read_file(path) if local else storage.get(path)


def check_image(data: bytes) -> None:
    """Look at the header and the end of an image file; decode it only where that is not enough.

    Raises:
        CorruptImage: it is of none of the ``FORMATS``, empty, truncated, has more than
            ``MAX_PIXELS``, or would take long to decode; the message says why.
    """
    if not data:
        raise CorruptImage("the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images and odd metadata
        try:
            image = _open(data if data.startswith(_WHOLE) else data[:_HEADER])
            _check_cost(image, data)
            end = _ENDS.get(image.format or "")
            if end is None or end not in data[-_TAIL:]:
                _open(data).load()
        except (MemoryError, CorruptImage):
            raise
        except Image.UnidentifiedImageError:
            known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
            raise CorruptImage(f"not an image in {known}") from None
        except Image.DecompressionBombError as error:
            raise CorruptImage(_too_large(str(error))) from None
        except Exception as error:  # decoders of broken files raise nearly anything
            raise CorruptImage(str(error) or type(error).__name__) from None


def decode_image(data: bytes, flag: str = "color", backend: str | None = None) -> np.ndarray:
    """``mmcv.imfrombytes`` of an image that passes :func:`check_image`.

    Returns:
        (H, W, 3) BGR for ``flag="color"``, with the orientation that EXIF names applied. Of
        several frames the first.

    Raises:
        CorruptImage: see :func:`check_image`, or the decoder fails.
    """
    import cv2
    import mmcv

    check_image(data)
    try:
        image = mmcv.imfrombytes(data, flag=flag, backend=backend)
    except (cv2.error, OSError, ValueError, SyntaxError) as error:
        raise CorruptImage(" ".join(str(error).split())) from None
    if image is None:
        raise CorruptImage("not an image that OpenCV can read")
    return image


def brightest_of_16_bits(data: bytes) -> int | None:
    """The highest value in an image that passes :func:`decode_image`; None where it has 8 bits."""
    if not data.startswith((b"\x89PNG", b"II", b"MM", b"P")):
        return None
    import cv2

    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return None
    return int((values[..., :3] if values.ndim == 3 else values).max())  # without alpha


def read_image(path: str | Path) -> np.ndarray:
    """An image (H, W, 3), BGR, upright, as the pipelines of the MM libraries read it.

    Grey images and those with an alpha channel have three channels then; 16 bits are
    reduced to 8.

    Raises:
        CorruptImage: it cannot be read, or see :func:`read_file` and :func:`decode_image`.
    """
    try:
        return decode_image(read_file(path))
    except OSError as error:
        raise CorruptImage(error.strerror or str(error)) from error


def read_rgb(path: str | Path) -> np.ndarray:
    """The same image (H, W, 3), RGB, without OpenCV: of a JPEG in CMYK the colours differ a little.

    Raises:
        CorruptImage: it cannot be read, or see :func:`read_file` and :func:`decode_rgb`.
    """
    try:
        return np.array(decode_rgb(read_file(path)))
    except OSError as error:
        raise CorruptImage(error.strerror or str(error)) from error


def decode_rgb(data: bytes) -> Image.Image:
    """An image as RGB, upright, without metadata; of 16 bits the upper 8.

    Raises:
        CorruptImage: see :func:`check_image`, or the decoder fails.
    """
    check_image(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images and odd metadata
            image = _open(data)
            image.load()
            wide = image.mode.startswith("I")
            rgb = (_upper_8_bits(image) if wide else image).convert("RGB")
            rgb.info = {}
            with contextlib.suppress(Exception):  # broken metadata of an intact image
                rgb.getexif()[_ORIENTATION] = image.getexif()[_ORIENTATION]
            return ImageOps.exif_transpose(rgb)
    except MemoryError:
        raise
    except Exception as error:  # decoders of broken files raise nearly anything
        raise CorruptImage(str(error) or type(error).__name__) from None


def _upper_8_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _check_cost(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse what would take long, or much memory, by what the header says."""
    size = "x".join(map(str, image.size))
    width, height = image.size
    pixels = width * height
    if pixels > MAX_PIXELS:
        raise CorruptImage(_too_large(f"{size} pixels"))
    if image.format in _JPEG:
        if pixels > _DENSEST * len(data):
            raise CorruptImage(f"{size} pixels cannot be in {len(data):,} bytes")
        codes = np.frombuffer(data, np.uint8)  # bytes.count takes five times as long
        scans = np.count_nonzero((codes[:-1] == _SCAN[0]) & (codes[1:] == _SCAN[1]))
        if scans * pixels > _SCANNED:
            raise CorruptImage(f"{scans} scans of {size} pixels would take long to decode")
    elif image.format == "PNG":
        texts = sum(map(data.count, _TEXT))
        if texts > _TEXTS:
            raise CorruptImage(f"{texts} compressed texts in it would take long to read")
    elif image.format == "TIFF":
        tile = [image.tag_v2.get(tag, 1) for tag in _TILE]  # type: ignore[attr-defined]
        decoded = [-(-side // step) * step for side, step in zip(image.size, tile)]
        if decoded[0] * decoded[1] > MAX_PIXELS:
            raise CorruptImage(_too_large(f"tiles of {'x'.join(map(str, tile))} pixels"))
    in_python = image.tile and image.tile[0][0] in Image.DECODERS
    if in_python and max(pixels, len(data) // 16) > _IN_PYTHON:
        raise CorruptImage(
            f"{size} pixels in {len(data):,} bytes of this kind of {image.format} would take long "
            f"to decode: save it in another format"
        )


def _too_large(size: str) -> str:
    return f"{size}: over {MAX_PIXELS:,} pixels it is taken for a decompression bomb"
