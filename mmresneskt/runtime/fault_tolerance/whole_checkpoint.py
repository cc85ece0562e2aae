"""Checkpoints that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend

from ..checkpoint import CheckpointError, read_back
from ..files import draft_name, remove, replace
from .disk_full import explain_writing
from .stop import stop_together

_UNFINISHED = ".unfinished"


def save_whole(save: Callable[[str], object], folder: str, name: str) -> None:
    """Write a checkpoint under another name, read it back, and only then give it its name.

    Every process has to call it. The runner writes, as it always does, so that FlexibleRunner's
    strategies work: one file from the main process, or a folder with a file from each (FSDP's
    sharded state, DeepSpeed). Only files are read back. A file that has another name as well (a
    hard link) keeps its content under that one. Storage that is no file system (``s3://``) has
    no names to change; there mmengine's way is kept.

    Args:
        save: writes the checkpoint under a name in the folder.

    Raises:
        Stop: it cannot be written or read back: the disk is full, for example. All processes
            end; the checkpoints before it are as they were.
    """
    if not isinstance(get_file_backend(folder), LocalBackend):
        _together(name, folder, lambda: save(name))
        return

    def give_name() -> None:
        if is_main_process():
            path = Path(folder, _unfinished(name))
            if path.is_file():
                read_back(path)
            replace(path, path.with_name(name))

    _together(name, folder, lambda: save(_unfinished(name)))
    _together(name, folder, give_name)


def remove_unfinished(folder: str) -> None:
    """Remove what a killed run has left of a checkpoint."""
    for leftover in Path(folder).glob(f".*{_UNFINISHED}"):
        remove(leftover)


def _together(name: str, folder: str, step: Callable[[], object]) -> None:
    """Take a step in every process; where it fails in one, none goes on."""
    problem = None
    try:
        step()
    except (OSError, CheckpointError) as error:
        remove_unfinished(folder)
        problem = (
            f"checkpoint {name} cannot be written to {folder}: {explain_writing(error, folder)}. "
            f"The checkpoints before it are intact, and --resume goes on from the last one"
        )
    stop_together(problem)


def _unfinished(name: str) -> str:
    return f"{draft_name(name)}{_UNFINISHED}"
