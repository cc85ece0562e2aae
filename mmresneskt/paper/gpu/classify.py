"""Table 2's rows of 50 layers on photographs, by the recipe ``folder_gpu``."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

from mmresneskt.paper.tables import TABLES

from . import tables
from .toy import toy_photos
from .work import Setting

_FIGURES = ("epochs", "top1", "loss", "train_top1")
HEADER = ("row", "seed", *_FIGURES)


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """Three seeds; a rehearsal trains the first row on a few generated images for an epoch.

    Raises:
        ValueError: the data is no folder or archive with ``train`` and ``test`` in it.
    """
    rows = [row.name for row in TABLES["table2"] if "101" not in row.name]
    if setting.rehearse:
        data = toy_photos(setting.work / "photos")
        arguments = ["--data", str(data), "--epochs", "1"]
        return tables.steps(setting, "table2", "folder", rows[:1], [0], arguments, _FIGURES)
    arguments = ["--data", str(_folder(setting.photos, setting.work / "photos"))]
    return tables.steps(setting, "table2", "folder_gpu", rows, range(3), arguments, _FIGURES)


def _folder(photos: Path | None, work: Path) -> Path:
    """The folder with ``train`` and ``test``; an archive is unpacked into ``work`` first."""
    if photos is None:
        raise ValueError("no --photos")
    done = work / ".unpacked"
    if photos.is_file():
        if not done.exists():
            with tarfile.open(photos) as archive:
                archive.extractall(work, filter="data")
            done.touch()
        photos = work
    for folder in (photos, *sorted(photos.iterdir())):
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return folder
    raise ValueError(f"{photos} has no train/ and test/ in it, nor in a folder of it")
