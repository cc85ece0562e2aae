"""Files that appear whole or not at all, and folders with one writer."""

from __future__ import annotations

import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None


def write_whole(path: str | Path, data: bytes) -> Path:
    """Replace a file at once: a reader sees the old one or the new one.

    Raises:
        OSError: it cannot be written; the old file stays, and nothing else is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


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
