"""The globals that a checkpoint may name, beyond those of weights."""

from __future__ import annotations

import pickle

import numpy as np
from mmengine.logging import HistoryBuffer

_STATISTICS = ("min", "max", "current", "mean")


def allowed() -> dict[str, object]:
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
