"""Images: which a command line names, and how pictures of them are written."""

from __future__ import annotations

import glob
import io
import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .decoding import ENDINGS
from .errors import UserError, printable
from .files import write_whole

_WRITTEN = {*ENDINGS} - {".gif", ".ppm", ".pgm"}
"""Endings of formats in which pictures are written: these have few colours, or few programs."""
_LONGEST = 240
"""Bytes of a name that leave room for a number and an ending."""


def find_images(inputs: Iterable[str]) -> list[Path]:
    """Files, the images directly in folders, and the files of glob patterns, each once.

    Raises:
        UserError: one of them is not there, or gives no image.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        path = Path(given).expanduser()
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS)
            hint = f"images end in {', '.join(ENDINGS)}; '{given}/**/*.jpg' takes its subfolders"
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
    share. A name that no picture can be written under (.gif), or that another picture has,
    gets .png behind it, and a number where that is another's as well.

    Raises:
        UserError: a picture would replace one of the images.
    """
    names = [Path(image.name) for image in images]
    # case does not tell files apart on every system
    if max(Counter(str(name).lower() for name in names).values()) > 1:
        whole = [Path(os.path.abspath(image)) for image in images]
        shared = os.path.commonpath([path.parent for path in whole])
        names = [path.relative_to(shared) for path in whole]
    taken = {name for name in names if name.suffix.lower() in _WRITTEN}
    pictures = [folder / (name if name in taken else _as_png(name, taken)) for name in names]
    originals = {os.path.realpath(image) for image in images}
    for picture in pictures:
        if os.path.realpath(picture) in originals:
            raise UserError(f"pictures in {folder} would replace {picture}: give another folder")
    return pictures


def _as_png(name: Path, taken: set[Path]) -> Path:
    """A name that is not taken, and is then, in the same folder."""
    start = os.fsdecode(os.fsencode(name.name)[:_LONGEST])
    numbers = itertools.chain([""], map("-{}".format, itertools.count(2)))
    found = next(n for n in (name.with_name(f"{start}{n}.png") for n in numbers) if n not in taken)
    taken.add(found)
    return found


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture (H, W, 3) in the format that its name says, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    file = io.BytesIO()
    kind = Image.registered_extensions()[path.suffix.lower()]
    Image.fromarray(picture).save(file, kind, quality=95)
    try:
        write_whole(path, file.getvalue())
    except OSError as error:
        raise UserError(f"--out: {error}") from error


def report_skipped(skipped: dict[Path, str], total: int) -> None:
    """Name the images that could not be used on stderr; the others are done.

    Raises:
        UserError: there are some.
    """
    for image, why in skipped.items():
        print(printable(f"skipped {image}: {why}"), file=sys.stderr)
    if len(skipped) == total:
        raise UserError(f"none of the {total} images can be read")
    if skipped:
        raise UserError(f"{len(skipped)} of {total} images cannot be read; the others are done")
