"""The checkpoint that a run goes on from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from mmengine.runner import CheckpointLoader

from ..checkpoint import CheckpointError, read_back, require_resumable
from ..errors import UserError

_NAME = re.compile(r"(epoch|iter)_(\d+)\.pth")


class Resumable(NamedTuple):
    """A checkpoint that can be gone on from.

    Attributes:
        path: of the file, or of the folder.
        meta: what it says of its run: ``epoch``, ``iter``, ``seed``; nothing of a folder.
        skipped: newer ones that were passed over, each with the reason.
    """

    path: str
    meta: dict
    skipped: list[str]


def newest_valid(folder: str | Path, launch: str | None = None) -> Resumable | None:
    """Find the newest checkpoint of a work folder that can be gone on from.

    That is the one that ``last_checkpoint`` names. Where that cannot be gone on from it is, of
    ``epoch_N.pth`` and ``iter_N.pth`` beside it and in the folder, the one with the most
    iterations, by its own count: files' times depend on clocks. A checkpoint that is a folder
    (FSDP's sharded state, DeepSpeed) was given its name when it was complete, and is taken as it
    is.

    Args:
        launch: leave out what another launch has written.

    Returns:
        None where there is no checkpoint at all.

    Raises:
        UserError: there are checkpoints, and none can be gone on from.
    """
    skipped: list[str] = []

    def first_valid(paths: list[Path]) -> Resumable | None:
        for path in paths:
            try:
                checkpoint = require(path)
            except UserError as error:
                skipped.append(str(error))
                continue
            if launch in (None, _launch_of(checkpoint)):
                return Resumable(str(path), checkpoint["meta"], skipped)
        return None

    pointed = named(Path(folder))
    found = first_valid(pointed)
    if pointed and not found and not skipped:
        return None  # it names the newest, which is another launch's
    if not found:
        kinds = [first_valid(paths) for paths in numbered(Path(folder), pointed)]
        found = max(filter(None, kinds), key=lambda f: f.meta.get("iter", 0), default=None)
    if skipped and not found:
        raise UserError(
            f"no checkpoint in {folder} can be gone on from: {'; '.join(skipped)}. To start "
            f"from the beginning, remove them or leave out --resume"
        )
    return found


def require(filename: str | Path) -> dict:
    """A checkpoint, a file or a URL, if it can be gone on with.

    Raises:
        UserError: it cannot.
    """
    try:
        if "://" in str(filename):
            checkpoint = CheckpointLoader.load_checkpoint(filename, map_location="cpu")
        else:
            path = Path(filename).expanduser()
            if path.is_dir() and any(path.iterdir()):
                return dict(meta={})
            if not path.is_file():
                what = "is an empty folder" if path.is_dir() else "does not exist"
                raise UserError(f"checkpoint {path} {what}")
            checkpoint = read_back(path)
        require_resumable(checkpoint, filename)
    except (CheckpointError, OSError) as error:  # of the network
        raise UserError(str(error)) from error
    return checkpoint


def _launch_of(checkpoint: dict) -> str | None:
    return checkpoint.get("message_hub", {}).get("runtime_info", {}).get("launch")


def named(folder: Path) -> list[Path]:
    """The checkpoint that ``last_checkpoint`` names, if there is one."""
    pointer = folder / "last_checkpoint"
    if not pointer.is_file():
        return []
    text = pointer.read_bytes().decode(errors="replace").strip("\0 \n")
    path = Path(text or "the one that the empty last_checkpoint names")
    here = folder / path.name
    # the folder may have been copied or moved: the original is another run's
    return [here if os.path.lexists(here) else path]


def numbered(folder: Path, pointed: list[Path]) -> list[list[Path]]:
    """The others of each kind, by epoch and by iteration, the highest number first."""
    kinds: dict[str, list[tuple[int, Path]]] = {}
    for place in dict.fromkeys([*(path.parent for path in pointed), folder]):
        for path in place.glob("*.pth"):
            match = _NAME.fullmatch(path.name)
            if match and path not in pointed:
                kinds.setdefault(match[1], []).append((int(match[2]), path))
    return [[path for _, path in sorted(kind, reverse=True)] for kind in kinds.values()]
