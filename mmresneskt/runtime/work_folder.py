"""A folder that one training at a time writes into, and what it leaves there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from .errors import UserError
from .fault_tolerance.newest_valid import named, numbered
from .launcher import is_main_process
from .trained import read_checkpoint

_NAME = ".training"


class Checkpoint(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        name: path or URL.
        content: see :func:`mmresneskt.runtime.trained.read_checkpoint`.
        skipped: those that would have come before it, each with the reason.
    """

    name: str
    content: dict
    skipped: list[str]


@contextlib.contextmanager
def claimed(folder: str | Path) -> Iterator[None]:
    """Have a folder, made if need be, for this training alone; its first process holds the lock.

    The lock is one of fcntl's. One of flock's, which filelock takes, is handed on to the workers
    of data loaders: they outlive a killed training by seconds, and would block its restart.
    Where a file system has no such locks, a line says so.

    Raises:
        UserError: another training has it, or it cannot be written.
    """
    if not is_main_process():
        yield
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        # it stays when the training ends: a file that is removed could be locked twice
        stream = Path(folder, _NAME).open("a+", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    with stream:
        _lock(stream, folder)
        yield


def best_checkpoints(folder: str | Path) -> list[Path]:
    """The best checkpoints of a work folder, that of the last step first."""

    def step(file: Path) -> int:
        number = re.search(r"(\d+)\.pth$", file.name)
        return int(number[1]) if number else -1

    return sorted(Path(folder).glob("best_*.pth"), key=step, reverse=True)


def checkpoint_of(folder: Path, given: str | None = None) -> Checkpoint:
    """The checkpoint that is given, else of a work folder the best, else the newest, valid one.

    Raises:
        UserError: there is none, or none that can be read.
    """
    if given is not None:
        return Checkpoint(given, read_checkpoint(given), [])
    newest = named(folder)
    others = [path for kind in numbered(folder, newest) for path in kind]
    skipped: list[str] = []
    for path in (*best_checkpoints(folder), *newest, *others):
        try:
            return Checkpoint(str(path), read_checkpoint(str(path)), skipped)
        except UserError as error:
            skipped.append(str(error))
    if skipped:
        raise UserError(f"no checkpoint in {folder} can be read: {'; '.join(skipped)}")
    raise UserError(f"{folder} holds no checkpoint: train first, or name one")


def _lock(stream: TextIO, folder: str | Path) -> None:
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        stream.seek(0)
        owner = stream.read() or "which has just started"
        raise UserError(
            f"{folder} is in use by another training, {owner}: the two would delete each other's "
            f"checkpoints. Wait for its end, or set another folder with --work-dir"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        print(
            f"warning: {folder} cannot be locked ({reason}): start no other training in it",
            file=sys.stderr,
        )
    else:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {platform.node()}")
        stream.flush()
