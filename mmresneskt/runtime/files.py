"""Files that appear whole or not at all, and folders with one writer."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TextIO

fcntl: ModuleType | None = None
with contextlib.suppress(ImportError):  # on Windows
    import fcntl


def write_whole(path: str | Path, data: bytes) -> Path:
    """Replace a file at once: a reader sees the old one or the new one, after a crash too.

    Raises:
        OSError: it cannot be written; the old file stays, and nothing else is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


def remove_drafts(path: str | Path) -> None:
    """Remove what killed processes have left of :func:`write_whole`; none may be at it."""
    path = Path(path)
    for draft in path.parent.glob(f".{path.name}.[0-9]*"):
        draft.unlink(missing_ok=True)


def replace(draft: Path, path: Path) -> None:
    """Give a finished file or folder its name, once its content is on the disk.

    Without the order "content, name, folder" a machine that loses power can be left with the
    new name on an empty file. A folder in the way is removed first: it cannot be replaced.

    Raises:
        OSError: it cannot be done; ``path`` is what it was, unless it is a folder.
    """
    parts = [p for p in draft.rglob("*") if p.is_file()] if draft.is_dir() else [draft]
    for part in parts:
        _sync(part)
    if path.is_dir():
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
    if path.is_dir() and os.name == "nt":  # which cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[TextIO]:
    """A text file, made if need be, to read from its start and to append to, alone."""
    with open(path, "a+", encoding="utf-8") as stream:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        yield stream


def lock_folder(folder: Path, patience: float) -> int | None:
    """Take a folder for this process and those that it forks; ``os.close`` gives it back.

    Args:
        patience: seconds to wait for another process to let go.

    Returns:
        A file descriptor; None where the system has no such locks.

    Raises:
        BlockingIOError: another process has it.
    """
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > give_up:
                os.close(descriptor)
                raise
            time.sleep(0.1)
        except OSError:  # some network file systems have no locks
            return descriptor
