"""The one way in which a checkpoint file is read."""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import torch
from mmengine.logging import print_log

from .allowed import allowed
from .errors import CheckpointError
from .integrity import check_name, check_zip, named_hash
from .restricted_pickle import restricted_pickle
from .safetensors_file import is_safetensors, read_safetensors

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"  # what torch.save wrote before 1.6
_trusted = False


def trust(value: bool) -> None:
    """Load files that could run code as well, in this process, each with a line that says so."""
    global _trusted
    _trusted = value


def load_file(
    filename: str | Path, map_location: str | torch.device | Callable | None = None
) -> dict:
    """Load a checkpoint or state dict written by ``torch.save``, or a safetensors file.

    A safetensors file comes as a checkpoint: ``dict(state_dict=..., meta=...)``. The text of
    a run's config is left out of every checkpoint: mmengine executes it as Python, its Runner
    ``meta['config']`` when it resumes and its inferencers the others.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file asks for a class or function that loading weights does not
            need, is damaged, or is no checkpoint.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{filename} can not be found.")
    with path.open("rb") as file:
        check_name(file, path.name)
        loaded = _load(file, path, map_location)
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{filename} holds a {type(loaded).__name__}, not weights by name")
    for key in ("state_dict", "meta", "message_hub"):
        if not isinstance(loaded.get(key) or {}, dict):
            raise CheckpointError(f"{filename}: its {key} is a {type(loaded[key]).__name__}")
    _leave_out_config(loaded)
    return loaded


def read_back(filename: str | Path) -> dict:
    """Read a whole checkpoint into CPU memory, to know that it can be.

    Raises:
        CheckpointError: it cannot; says why.
    """
    try:
        return load_file(filename, "cpu")
    except OSError as error:
        raise CheckpointError(f"{filename} cannot be read: {error}") from error


def require_resumable(checkpoint: dict, filename: str | Path) -> None:
    """Is there more than weights?

    Raises:
        CheckpointError: a run cannot go on from it.
    """
    missing = [key for key in ("epoch", "iter") if key not in (checkpoint.get("meta") or {})]
    missing += [key for key in ("message_hub",) if key not in checkpoint]
    if missing:
        raise CheckpointError(
            f"{filename} holds only weights (no {', '.join(missing)}): a run cannot go on from it, "
            f"but start from it: --cfg-options load_from={filename}"
        )


def _load(file: BinaryIO, path: Path, map_location: object) -> object:
    if is_safetensors(file):
        # a function or a mapping says where storages go that lay on a device; these do not
        placed = isinstance(map_location, (str, torch.device))
        return read_safetensors(path, map_location if placed else "cpu")
    file.seek(0)
    start = file.read(4)
    if start == _ZIP:
        check_zip(file, path.name)
    elif not start.startswith(_PICKLE):
        raise CheckpointError(
            f"{path.name} is no checkpoint, or is damaged: it begins neither as torch.save's "
            f"files do nor as safetensors'"
        )
    try:
        loaded = _unpickle(file, path, map_location)
    except torch.cuda.OutOfMemoryError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path.name, error)) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(
            f"{path.name} cannot be loaded: it is damaged or no checkpoint "
            f"({type(error).__name__}: {_short(error)})"
        ) from error
    if start != _ZIP and named_hash(path.name) is None:
        print_log(
            f"{path.name} is in the format of PyTorch before 1.6, which has no checksums: damage "
            f"in its weights would not be seen",
            logger="current",
            level=logging.WARNING,
        )
    return loaded


def _unpickle(file: BinaryIO, path: Path, map_location: object) -> object:
    file.seek(0)
    try:
        return _unpickle_safely(file, map_location)
    except pickle.UnpicklingError:
        if not _trusted:
            raise
    print(f"--trust-checkpoint: {path} may run code, and is loaded all the same", flush=True)
    file.seek(0)
    return torch.load(file, map_location, weights_only=False)


def _unpickle_safely(file: BinaryIO, map_location: object) -> object:
    names = allowed()
    if torch.__version__ < "2.6":
        # weights_only=True cannot build a HistoryBuffer there; the list is as short
        module = restricted_pickle(names)
        return torch.load(file, map_location, pickle_module=module, weights_only=False)
    with torch.serialization.safe_globals([(value, name) for name, value in names.items()]):
        return torch.load(file, map_location, weights_only=True)


def _refusal(filename: str, error: pickle.UnpicklingError) -> str:
    culprit = re.search(r"(?:GLOBAL|global|function) (\S{1,80})", str(error))
    if culprit:
        why = f"it asks for {culprit[1]}, which plain weights do not need and which could run code"
    else:
        why = f"it is damaged, or could run code ({_short(error)})"
    return (
        f"{filename} is refused: {why}. Save it again as a state dict, or get it from its author "
        f"in that form; --trust-checkpoint loads it all the same"
    )


def _short(error: Exception) -> str:
    """The reason alone, on one line; torch puts paragraphs of advice around it."""
    paragraphs = str(error).split("\n\n")
    reason = next((p for p in paragraphs if not p.startswith("Weights only load failed")), "")
    line = " ".join((reason or paragraphs[0]).split())
    return line if len(line) <= 160 else f"{line[:157]}..."


def _leave_out_config(checkpoint: dict) -> None:
    meta = checkpoint.get("meta") or {}
    runtime = (checkpoint.get("message_hub") or {}).get("runtime_info")
    for place, keys in ((meta, ("config", "cfg")), (runtime, ("cfg",))):
        if isinstance(place, dict):
            for key in keys:
                place.pop(key, None)
