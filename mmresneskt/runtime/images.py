"""Images: which a command line names, whether they are whole, and how pictures are written.

OpenCV fills what is missing of a truncated JPEG with grey and says nothing, and allocates
whatever size a header names.
"""

from __future__ import annotations

import glob
import io
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from PIL import Image

from .errors import UserError
from .files import write_whole

MAX_PIXELS = 178_956_970
"""Pillow's own limit, from which on it speaks of a decompression bomb: half a gigabyte of RGB."""

# of formats whose last bytes are known; a JPEG may have a few more behind them
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_TAIL = 64
_JPEG = ("JPEG", "MPO")
_DENSEST = 1024
"""Pixels in a byte of JPEG: each block of 64 takes a bit at least."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Of the files of a folder that are taken, and in which pictures are written."""


class CorruptImage(Exception):
    """An image that cannot be decoded to its end; the message says why."""


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
        end = _ENDS.get(image.format or "")
        if end is not None and end in data[-_TAIL:]:
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


def find_images(inputs: Iterable[str]) -> list[Path]:
    """Files, the images directly in folders, and the files of glob patterns, each once.

    Raises:
        UserError: one of them is not there, or gives no image.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        path = Path(given).expanduser()
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            hint = f"images end in {', '.join(SUFFIXES)}; '{given}/**/*.jpg' takes its subfolders"
            problem = f"folder {given} holds no image: {hint}"
        elif path.exists():
            files = [path]
        else:
            matches = sorted(glob.glob(str(path), recursive=True))
            files = [p for p in map(Path, matches) if p.is_file()]
            pattern = glob.has_magic(given)
            problem = f"{given} {'matches no file' if pattern else 'does not exist'}"
        if not files:
            raise UserError(problem)
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def picture_files(images: Sequence[Path], folder: Path) -> list[Path]:
    """Where the picture of each image goes: the folder, under the image's own name.

    Where two images have the same name, all keep their path below the folder that they
    share. A name that no picture can be written under (.gif) gets .png behind it.

    Raises:
        UserError: a picture would replace one of the images.
    """
    names = [Path(image.name) for image in images]
    # case does not tell files apart on every system
    if max(Counter(str(name).lower() for name in names).values()) > 1:
        whole = [Path(os.path.abspath(image)) for image in images]
        shared = os.path.commonpath([path.parent for path in whole])
        names = [path.relative_to(shared) for path in whole]
    names = [n if n.suffix.lower() in SUFFIXES else n.with_name(f"{n.name}.png") for n in names]
    pictures = [folder / name for name in names]
    originals = {os.path.realpath(image) for image in images}
    for picture in pictures:
        if os.path.realpath(picture) in originals:
            raise UserError(f"--out {folder} would replace {picture}: give another folder")
    return pictures


def read_image(path: Path) -> np.ndarray:
    """An image (H, W, 3), BGR, upright, as the pipelines of the MM libraries read it.

    Grey images and those with an alpha channel have three channels then; 16 bits are
    reduced to 8.

    Raises:
        CorruptImage: it cannot be read to its end, or is absurdly large; the message says why.
    """
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise CorruptImage(error.strerror or str(error)) from error


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture (H, W, 3) in the format that its name says, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    data = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    try:
        write_whole(path, data.tobytes())
    except OSError as error:
        raise UserError(f"--out: {error}") from error


def report_skipped(skipped: dict[Path, str], total: int) -> None:
    """Name the images that could not be read on stderr, and count them.

    Raises:
        UserError: that is all of them.
    """
    for image, why in skipped.items():
        print(f"skipped {image}: {why}", file=sys.stderr)
    if len(skipped) == total:
        raise UserError(f"none of the {total} images can be read")
    if skipped:
        print(f"skipped {len(skipped)} of {total} images that cannot be read", file=sys.stderr)
