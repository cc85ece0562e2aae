"""Is a checkpoint file what was written? Its name and its checksums say so.

``torch.load`` verifies neither: a flipped bit in a weight would load as another weight.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from typing import BinaryIO

from .errors import CheckpointError

# torch hub's convention; OpenMMLab's names hold dates as well: name-20240131.pth
_HASH = re.compile(r"-(?!20\d{6}\.)([0-9a-f]{8,64})\.\w+$")
_CHUNK = 1 << 20


def named_hash(filename: str) -> str | None:
    """The first digits of the SHA-256 that a file's name carries: ``NAME-0123abcd.pth``."""
    found = _HASH.search(filename)
    return found[1] if found else None


def check_name(file: BinaryIO, filename: str) -> None:
    """Compare a file's content with the hash in its name, if there is one.

    Raises:
        CheckpointError: they differ.
    """
    wanted = named_hash(filename)
    if wanted is None:
        return
    digest = hashlib.sha256()
    file.seek(0)
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        digest.update(chunk)
    if not digest.hexdigest().startswith(wanted):
        raise CheckpointError(
            f"{filename} is damaged or not the file that its name says: the hash of its content "
            f"begins with {digest.hexdigest()[: len(wanted)]}, not with {wanted}. Get it again; "
            f"if {wanted} is no hash, rename the file"
        )


def check_zip(file: BinaryIO, filename: str) -> None:
    """Verify the CRC-32 of each record in an archive written by ``torch.save``.

    Raises:
        CheckpointError: a record is damaged or missing its end, or the archive is of a kind
            that ``torch.save`` does not write: compressed (a small file could fill the
            memory) or TorchScript (which is code).
    """
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            if any(r.filename.endswith("/constants.pkl") for r in records):
                raise CheckpointError(f"{filename} is refused: TorchScript is code, not weights")
            size = sum(r.file_size for r in records)
            stored = all(r.compress_type == zipfile.ZIP_STORED for r in records)
            if not stored or size > os.fstat(file.fileno()).st_size:
                raise CheckpointError(
                    f"{filename} is refused: its records unpack to {size} bytes, and torch.save "
                    f"packs nothing"
                )
            damaged = archive.testzip()
    except CheckpointError:
        raise
    except Exception as error:  # zipfile raises many things where its structure is damaged
        raise CheckpointError(
            f"{filename} is damaged or was not written to its end: {error}"
        ) from error
    if damaged:
        raise CheckpointError(
            f"{filename} is damaged: its record {damaged} is not what was written (CRC-32)"
        )
