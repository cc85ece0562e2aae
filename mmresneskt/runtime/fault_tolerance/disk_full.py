"""A full disk in words."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import TypeGuard

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: BaseException) -> TypeGuard[OSError]:
    """No space, no quota, or a file larger than the system allows."""
    return isinstance(error, OSError) and error.errno in _FULL


def explain_writing(error: Exception, folder: str | Path) -> str:
    """Why nothing could be written to a folder, with the room that is left there."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    if not is_disk_full(error):
        return reason
    free = shutil.disk_usage(folder).free / 2**20
    return f"{reason} ({free:.0f} MiB free)"
