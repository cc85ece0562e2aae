"""Weights in the safetensors format: tensors by name, and nothing that could run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .errors import CheckpointError

_META = "dataset_meta"


def is_safetensors(file: BinaryIO) -> bool:
    """By its content: eight bytes of the header's length, then the header, in JSON."""
    file.seek(0)
    return file.read(9)[8:] == b"{"


def read_safetensors(path: Path, device: str | torch.device = "cpu") -> dict:
    """As a checkpoint: ``state_dict``, and ``meta`` with the classes if it has them.

    Raises:
        CheckpointError: the file is damaged, or safetensors is not installed.
    """
    safe_open = _safetensors(path.name).safe_open
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            meta = {_META: json.loads(metadata[_META])} if _META in metadata else {}
    except Exception as error:  # its own error class, and json's
        raise CheckpointError(
            f"{path.name} is damaged or was not written to its end: {error}"
        ) from error
    return dict(state_dict=state, meta=meta)


def safetensors_bytes(state: Mapping[str, Tensor], dataset_meta: dict | None = None) -> bytes:
    """A file's content, the same bytes each time.

    Args:
        state: tensors by name, none of them sharing memory.
        dataset_meta: what :func:`read_safetensors` gives back as ``meta['dataset_meta']``.

    Raises:
        CheckpointError: safetensors is not installed, or has no such type of tensor.
    """
    metadata = {"format": "pt"}
    if dataset_meta:
        metadata[_META] = json.dumps(dataset_meta, sort_keys=True)
    _safetensors("a .safetensors file")
    from safetensors.torch import save

    try:
        return _in_order(save(dict(state), metadata))
    except KeyError as error:
        raise CheckpointError(f"the safetensors format has no tensors of {error}") from error


def _in_order(content: bytes) -> bytes:
    """The library writes the metadata in the order of a hash table, another one each time."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _safetensors(wanted_by: str) -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise CheckpointError(
            f"{wanted_by} needs the safetensors package: pip install safetensors"
        ) from error
    return safetensors
