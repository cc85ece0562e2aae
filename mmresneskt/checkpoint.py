"""Checkpoints load without running code, and one's own run resumes.

mmengine calls ``torch.load`` bare. From torch 2.6 on that refuses the classes that
mmengine itself writes into a checkpoint, so a run cannot resume; before 2.6 it unpickles
anything, so a stranger's file can run code. Here every checkpoint is loaded with
``weights_only=True`` (before 2.6 with an equally short list of allowed globals) plus the
few harmless globals that mmengine needs. A file that needs more is refused; there is no
second, unsafe try.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import hub

from .restricted_pickle import restricted_pickle

_STATISTICS = ("min", "max", "current", "mean")


def _statistic(owner: object, name: str) -> object:
    """What a pickled HistoryBuffer may look up with ``getattr``: its own statistics."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f"getattr of {name!r} is not allowed in a checkpoint")
    return getattr(owner, name)


def _latin1(text: str, encoding: str) -> bytes:
    """How pickle protocol 2 writes bytes: as text, with this one encoding."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not allowed in a checkpoint")
    return text.encode("latin1")


def _allowed() -> dict[str, object]:
    """Globals that a checkpoint of mmengine holds, by the names numpy 1 and 2 give them."""
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    names: dict[str, object] = {
        "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
        "builtins.getattr": _statistic,
        "_codecs.encode": _latin1,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray._reconstruct"] = reconstruct
        names[f"{core}.multiarray.scalar"] = scalar
    # numpy.dtypes.Float64DType and its kin, one class for each dtype
    for name, value in vars(getattr(np, "dtypes", np)).items():
        if isinstance(value, type) and issubclass(value, np.dtype):
            names[f"numpy.dtypes.{name}"] = value
    return names


def load_file(
    filename: str | Path, map_location: str | torch.device | Callable | None = None
) -> dict:
    """Load a checkpoint or state dict written by ``torch.save``.

    The text of the run's config (``meta['config']``) is left out: mmengine's Runner
    executes it as Python when it resumes, to look for a key that no config has any more.

    Raises:
        FileNotFoundError: there is no such file.
        pickle.UnpicklingError: the file asks for a class or function that loading
            weights does not need, or is no checkpoint.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{filename} can not be found.")
    try:
        loaded = _load(path, map_location)
    except pickle.UnpicklingError as error:
        culprit = re.search(r"(?:GLOBAL|global|function) (\S+)", str(error))
        asks = f"it asks for {culprit[1]}" if culprit else str(error).splitlines()[0]
        raise pickle.UnpicklingError(
            f"{filename} is refused: {asks}, which plain weights do not need and which could run "
            f"code. Save it again as a state dict, or get it from its author in that form."
        ) from None
    if isinstance(loaded, dict) and isinstance(loaded.get("meta"), dict):
        loaded["meta"].pop("config", None)
    return loaded


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: str | torch.device | Callable | None = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
) -> dict:
    """Download to torch hub's cache, once, and load as :func:`load_file` does.

    Takes the arguments of ``torch.hub.load_state_dict_from_url``. A name that ends in
    ``-<sha256 prefix>`` is always checked against its content; ``-20240131`` is a date.

    Raises:
        OSError: the download failed; the message says which file to put where.
        RuntimeError: the content does not match the hash in its name.
    """
    folder = Path(model_dir or Path(hub.get_dir()) / "checkpoints")
    path = folder / (file_name or Path(urlparse(url).path).name)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        prefix = re.search(r"-(?!20\d{6}\.)([0-9a-f]{8,64})\.", path.name)
        try:
            hub.download_url_to_file(url, str(path), prefix[1] if prefix else None, progress)
        except OSError as error:
            raise OSError(
                f"{url} cannot be downloaded ({error}). Without network: copy the file to {path}"
            ) from None
    return load_file(path, map_location)


def install() -> None:
    """Make mmengine, and so every MM library, load with :func:`load_file`."""
    loader = mmengine_checkpoint.CheckpointLoader
    loader.register_scheme(prefixes="", loader=load_file, force=True)
    # torchvision://, open-mmlab:// and http:// all end in this function
    mmengine_checkpoint.load_url = load_url


def _load(path: Path, map_location: object) -> dict:
    allowed = _allowed()
    if torch.__version__ < "2.6":
        # weights_only=True cannot build a HistoryBuffer there; the list is as short
        module = restricted_pickle(allowed)
        return torch.load(path, map_location, pickle_module=module, weights_only=False)
    with torch.serialization.safe_globals([(value, name) for name, value in allowed.items()]):
        return torch.load(path, map_location, weights_only=True)
