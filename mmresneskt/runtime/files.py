"""Files that appear whole or not at all, and folders with one writer."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from .errors import UserError


def write_whole(path: str | Path, data: bytes) -> Path:
    """Replace a file at once: a reader sees the old one or the new one, after a crash too.

    Raises:
        OSError: it cannot be written; the old file stays, and nothing else is left behind.
    """
    with drafted(Path(path)) as draft:
        draft.write_bytes(data)
    return Path(path)


@contextlib.contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Another name for a file to be written under, which gets its own where nothing is raised.

    The folder is made if need be. Where something is raised, nothing new is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{draft_name(path.name)}.{os.getpid()}")
    try:
        yield draft
        replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def draft_name(name: str) -> str:
    """How the names of a file's drafts begin: no longer for a long name than for a short one."""
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def remove_drafts(path: str | Path) -> None:
    """Remove what killed processes have left of :func:`drafted`; none may be at it."""
    path = Path(path)
    for draft in path.parent.glob(f"{draft_name(path.name)}.[0-9]*"):
        draft.unlink(missing_ok=True)


def replace(draft: Path, path: Path) -> None:
    """Give a finished file or folder its name, once its content is on the disk.

    Without the order "content, name, folder" a machine that loses power can be left with the
    new name on an empty file. A folder in the way of a folder is removed first: it cannot be
    replaced. One in the way of a file stays.

    Raises:
        OSError: it cannot be done; ``path`` is what it was, unless it is a folder.
    """
    parts = [p for p in draft.rglob("*") if p.is_file()] if draft.is_dir() else [draft]
    for part in parts:
        _sync(part)
    if draft.is_dir() and path.is_dir():
        shutil.rmtree(path)
    os.replace(draft, path)
    _sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder and what is in it; nothing there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[TextIO]:
    """A text file, made if need be, to read from its start and to append to, alone."""
    with open(path, "a+", encoding="utf-8") as stream:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        yield stream


@contextlib.contextmanager
def folder_locked(folder: Path, patience: float) -> Iterator[None]:
    """A folder that this process, and those that it forks, have alone.

    Args:
        patience: seconds to wait for another process to let go.

    Raises:
        UserError: another process has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    give_up = time.monotonic() + patience
    try:
        while not _taken(descriptor):
            if time.monotonic() > give_up:
                raise UserError(f"another run is writing into {folder}: let it end")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        pass
    return True
