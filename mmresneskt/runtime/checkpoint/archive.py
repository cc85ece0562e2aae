"""The two formats of ``torch.save``: where a file's pickle is, and where its storages.

``torch.load`` is not used: it finds the records of an archive by another directory than Python's
``zipfile`` where a file has two, so that what was checked would not be what is loaded. Here the
records that are checked are those that are read.
"""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import torch

from .unpickler import Storage, StorageType, Unpickler

ZIP = b"PK\x03\x04"
OLD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # what PyTorch wrote before 1.6
_OLD_VERSION = 1001
_CHUNK = 1 << 20

Restore = Callable[[torch.UntypedStorage, str], torch.UntypedStorage]
"""Puts a storage where it belongs, given where it was saved from."""


class Damaged(Exception):
    """The file is not what ``torch.save`` wrote."""


class Refused(Exception):
    """The file is of a kind that ``torch.save`` does not write for weights."""


def read_archive(file: BinaryIO, size: int, restore: Restore) -> object:
    """What an archive holds, its records' checksums verified.

    Args:
        size: of the file in bytes, more than which its records cannot hold.

    Raises:
        Damaged, Refused: it is not as ``torch.save`` writes it.
        pickle.UnpicklingError: its pickle asks for what a checkpoint does not need.
    """
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            records = _records(archive, size)
            # torch.save stores in it that it was written on this kind of machine or on the other
            swapped = sys.byteorder.encode() != _read(archive, records, "byteorder", b"little")
            pickled = _read(archive, records, "data.pkl")
            storages: dict[str, Storage] = {}

            def storage(saved_id: object) -> Storage:
                kind, key, location, count = _saved(saved_id, 5)
                if key not in storages:
                    untyped = _storage(archive, records.get(f"data/{key}"), kind, count)
                    if swapped:
                        untyped.byteswap(kind.dtype)
                    storages[key] = Storage(restore(untyped, location), kind.dtype)
                found = storages[key]
                return found if found.dtype == kind.dtype else Storage(found.untyped, kind.dtype)

            return Unpickler(io.BytesIO(pickled), storage).load()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, KeyError) as error:
        raise Damaged(str(error)) from error


def read_old(file: io.BufferedReader, size: int, restore: Restore) -> object:
    """The same of the format before PyTorch 1.6, which has no checksums.

    Raises:
        Damaged, Refused, pickle.UnpicklingError: see :func:`read_archive`.
    """
    file.seek(0)

    def refuse(saved_id: object) -> Storage:
        raise pickle.UnpicklingError("a storage where none belongs")

    _, version, machine = (Unpickler(file, refuse).load() for _ in range(3))
    if version != _OLD_VERSION or type(machine) is not dict:
        raise Damaged(f"version {version!r} of the format")
    if machine.get("little_endian") is not (sys.byteorder == "little"):
        raise Refused("it was written on a machine with another order of bytes")
    start = file.tell()
    made: dict[str, tuple[torch.Tensor, str]] = {}
    left = size - start

    def make(saved_id: object) -> Storage:
        nonlocal left
        kind, key, location, count = _saved(saved_id, 6)
        if key not in made:
            wanted = count * kind.dtype.itemsize
            left -= wanted
            if left < 0:
                raise Damaged("it is shorter than its storages")
            made[key] = torch.zeros(wanted, dtype=torch.uint8), location
        return Storage(made[key][0].untyped_storage(), kind.dtype)

    Unpickler(file, make).load()  # for the storages alone: their bytes come behind it
    keys = Unpickler(file, refuse).load()
    if type(keys) is not list or sorted(map(str, keys)) != sorted(made):
        raise Damaged("its list of storages is another's")
    for key in keys:
        data = made[key][0].numpy()
        header = file.read(8)
        if len(header) < 8 or file.readinto(data.data) < len(data):
            raise Damaged("it ends before its storages do")
    placed = {k: restore(data.untyped_storage(), where) for k, (data, where) in made.items()}

    def find(saved_id: object) -> Storage:
        kind, key, _, _ = _saved(saved_id, 6)
        return Storage(placed[key], kind.dtype)

    file.seek(start)
    return Unpickler(file, find).load()


def _records(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The records by their names below the archive's folder."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    pickles = [info.filename for info in infos if info.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Refused(f"it has {len(pickles)} records data.pkl")
    prefix = pickles[0].removesuffix("data.pkl")
    names = [info.filename for info in infos]
    if f"{prefix}constants.pkl" in names:
        raise Refused("TorchScript is code, not weights")
    if len(set(names)) < len(names):
        raise Refused("two of its records have one name")
    if any(i.compress_type != zipfile.ZIP_STORED or i.file_size != i.compress_size for i in infos):
        raise Refused("its records are compressed, and torch.save packs nothing")
    end = 0
    for info in infos:
        if info.header_offset < end or (not end and info.header_offset):
            raise Refused("its records overlap, or do not begin where the file does")
        end = info.header_offset + 30 + len(info.orig_filename.encode()) + info.file_size
    if end > min(size, archive.start_dir):
        raise Refused("its records reach beyond its directory")
    return {name.removeprefix(prefix): info for name, info in zip(names, infos)}


def _read(
    archive: zipfile.ZipFile, records: dict, name: str, otherwise: bytes | None = None
) -> bytes:
    if name not in records and otherwise is not None:
        return otherwise
    return archive.read(records[name])  # verifies the CRC-32


def _storage(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo | None, kind: StorageType, count: int
) -> torch.UntypedStorage:
    size = count * kind.dtype.itemsize
    if info is None or info.file_size != size:
        raise Damaged(f"a storage of {size} bytes is not there")
    data = np.empty(size, np.uint8)
    at = 0
    with archive.open(info) as record:
        while chunk := record.read(_CHUNK):
            data[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
            at += len(chunk)
    return torch.from_numpy(data).untyped_storage()


def _saved(saved_id: object, length: int) -> tuple[StorageType, str, str, int]:
    """Type, key, location and number of elements of what stands for a storage in a pickle."""
    if type(saved_id) is not tuple or len(saved_id) != length or saved_id[0] != "storage":
        raise pickle.UnpicklingError("a persistent id that stands for no storage")
    _, kind, key, location, count, *view = saved_id
    fits = type(kind) is StorageType and type(key) is type(location) is str
    if not fits or type(count) is not int or count < 0 or view not in ([], [None]):
        raise pickle.UnpicklingError("a persistent id that stands for no storage")
    return kind, key, location, count
