"""The one way in which a checkpoint file is read."""

from __future__ import annotations

import logging
import os
import pickle
import re
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

import torch
from mmengine.logging import print_log

from ..errors import printable
from .archive import OLD, ZIP, Damaged, Refused, read_archive, read_old
from .errors import CheckpointError
from .integrity import check_name, named_hash
from .plain import plain
from .run_state import CONFIGS, keep_known
from .safetensors_file import is_safetensors, read_safetensors

MapLocation = str | torch.device | Callable | dict | None

_trusted = False
_told = False  # that the text of a config is left out: once is enough


def trust(value: bool) -> None:
    """Load files that could run code as well, in this process, each with a line that says so."""
    global _trusted
    _trusted = value


def load_file(filename: str | Path, map_location: MapLocation = None) -> dict:
    """Load a checkpoint or state dict written by ``torch.save``, or a safetensors file.

    A safetensors file comes as a checkpoint: ``dict(state_dict=..., meta=...)``. Everything in
    what is returned is of a plain type (:func:`plain`). Of ``meta`` and ``message_hub`` there is
    what a run needs; the text of its config is not, since mmengine would execute it as Python.

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
    state = loaded.get("state_dict", loaded)
    if not isinstance(state, dict):
        raise CheckpointError(f"{filename}: its state_dict is a {type(state).__name__}")
    try:
        went = keep_known(loaded)
    except TypeError as error:
        raise CheckpointError(f"{filename}: {error}") from error
    _tell(path.name, went)
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
    if "optimizer" not in checkpoint and "param_schedulers" not in checkpoint:
        missing += ["optimizer", "param_schedulers"]  # mmengine's best_*.pth
    if missing:
        raise CheckpointError(
            f"{filename} holds only weights (no {', '.join(missing)}): a run cannot go on from it, "
            f"but start from it: --cfg-options load_from={filename}"
        )


def _tell(name: str, went: list[str]) -> None:
    global _told
    name = printable(name)
    rest = [key for key in went if key not in CONFIGS]
    if rest:
        message = f"{name}: left out {', '.join(rest)}, which a run does not need"
        print_log(printable(message), logger="current", level=logging.WARNING)
    if len(rest) < len(went) and not _told:
        _told = True
        print_log(
            f"{name}: the text of its config is left out, since mmengine would execute it as "
            f"Python. Where an inferencer misses it, pass the config: "
            f"DetInferencer(model=CONFIG, weights={name!r})",
            logger="current",
        )


def _load(file: BufferedReader, path: Path, map_location: MapLocation) -> object:
    if is_safetensors(file):
        # a function or a mapping says where storages go that lay on a device; these do not
        device = map_location if isinstance(map_location, (str, torch.device)) else "cpu"
        return read_safetensors(path, device)
    try:
        return _read(file, path.name, map_location)
    except (torch.cuda.OutOfMemoryError, CheckpointError):
        raise
    except Refused as error:
        raise CheckpointError(f"{path.name} is refused: {error}") from None
    except Damaged as error:
        raise CheckpointError(
            f"{path.name} is damaged or was not written to its end: {_short(error)}"
        ) from None
    except pickle.UnpicklingError as error:
        if _trusted:
            print(
                f"--trust-checkpoint: {printable(path)} may run code, and is loaded all the same",
                flush=True,
            )
            file.seek(0)
            return torch.load(file, map_location, weights_only=False)
        raise CheckpointError(_refusal(path.name, error)) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(
            f"{path.name} cannot be loaded: it is damaged or no checkpoint "
            f"({type(error).__name__}: {_short(error)})"
        ) from error


def _read(file: BufferedReader, name: str, map_location: MapLocation) -> object:
    file.seek(0)
    start = file.read(len(OLD))
    size = os.fstat(file.fileno()).st_size
    restore = torch.serialization._get_restore_location(map_location)
    if start.startswith(ZIP):
        return plain(read_archive(file, size, restore))
    if start != OLD:
        raise CheckpointError(
            f"{name} is no checkpoint, or is damaged: it begins neither as torch.save's files do "
            f"nor as safetensors'"
        )
    loaded = plain(read_old(file, size, restore))
    if named_hash(name) is None:
        print_log(
            f"{printable(name)} is in the format of PyTorch before 1.6, which has no checksums: "
            f"damage in its weights would not be seen",
            logger="current",
            level=logging.WARNING,
        )
    return loaded


def _refusal(filename: str, error: pickle.UnpicklingError) -> str:
    culprit = re.search(r"GLOBAL (\S{1,80})", str(error))
    if culprit and culprit[1].startswith("torch."):
        why = f"it asks for {culprit[1]}, which plain dense weights do not need"
    elif culprit:
        asked = printable(culprit[1])[:80]
        why = f"it asks for {asked}, which plain weights do not need and which could run code"
    else:
        why = f"it is damaged, or could run code ({_short(error)})"
    return (
        f"{filename} is refused: {why}. Save it again as a state dict, or get it from its author "
        f"in that form; --trust-checkpoint loads it all the same"
    )


def _short(error: Exception) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 160 else f"{line[:157]}..."
