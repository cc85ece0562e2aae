"""Is a checkpoint file the one that its name says?"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

from .errors import CheckpointError

# torch hub's convention; OpenMMLab's names hold dates as well: name-20240131.pth
_HASH = re.compile(r"-(?!20\d{6}\.)([0-9a-f]{8,64})\.\w+$")
_CHUNK = 1 << 20


def named_hash(filename: str) -> str | None:
    """The first digits of the SHA-256 that a file's name carries: ``NAME-0123abcd.pth``."""
    found = _HASH.search(filename)
    return found[1] if found else None


def sha256_of(file: BinaryIO) -> str:
    """Of the whole content of a file."""
    digest = hashlib.sha256()
    file.seek(0)
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def hash_of(filename: str) -> str:
    """The SHA-256 of a checkpoint's file; nothing of a URL."""
    if not Path(filename).is_file():
        return ""
    with open(filename, "rb") as file:
        return sha256_of(file)


def check_name(file: BinaryIO, filename: str) -> None:
    """Compare a file's content with the hash in its name, if there is one.

    Raises:
        CheckpointError: they differ.
    """
    wanted = named_hash(filename)
    if wanted is None:
        return
    found = sha256_of(file)
    if not found.startswith(wanted):
        raise CheckpointError(
            f"{filename} is damaged or not the file that its name says: the hash of its content "
            f"begins with {found[: len(wanted)]}, not with {wanted}. Get it again; "
            f"if {wanted} is no hash, rename the file"
        )
