"""One source file, in a worker process: read once, every output of it written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .folder import put
from .images import CorruptImage, crop, decode, encode, surround, vary
from .journal import Record
from .plan import Job


@dataclass(frozen=True)
class Corrupt:
    """A source that cannot be decoded, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Maker:
    """Makes the outputs of a job.

    Attributes:
        base: the folder that sources are relative to.
        out: the folder that outputs are relative to.
        keep_originals: the image itself is copied byte for byte instead of cropped.
    """

    base: Path
    out: Path
    keep_originals: bool = False

    def __call__(self, job: Job, done: Record | None) -> Record | Corrupt | None:
        """Make the outputs, unless ``done`` says that they are there and they are.

        Returns:
            A record of what was made; None where all was there; or that the source is
            corrupt, and then nothing was written.

        Raises:
            OSError: the source cannot be read or an output cannot be written.
        """
        if done and self._there(job, done):
            return None
        data = (self.base / job.source).read_bytes()
        try:
            surrounded = surround(decode(data))
        except CorruptImage as error:
            return Corrupt(job.source, str(error))
        hashes = {}
        for output in job.outputs:
            if output.look:
                made = encode(vary(surrounded, output.look))
            else:
                made = data if self.keep_originals else encode(crop(surrounded))
            put(self.out, output.path, made)
            hashes[output.path] = _sha256(made)
        return Record(job.source, _sha256(data), hashes)

    def _there(self, job: Job, done: Record) -> bool:
        try:
            return set(done.outputs) == {output.path for output in job.outputs} and all(
                _sha256((self.out / path).read_bytes()) == sha256
                for path, sha256 in done.outputs.items()
            )
        except FileNotFoundError:
            return False


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
