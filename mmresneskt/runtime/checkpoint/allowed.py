"""The globals that a checkpoint may name, beyond those of weights."""

from __future__ import annotations

import pickle
from collections import Counter

from mmengine.logging import HistoryBuffer

from .numpy_values import PickledArray, PickledType, pickled_array, pickled_scalar

_STATISTICS = ("min", "max", "current", "mean")


def allowed() -> dict[str, object]:
    """Globals that a checkpoint of mmengine holds, and what is taken for each of them."""
    names: dict[str, object] = {
        "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
        "builtins.getattr": _statistic,
        # torch 2.1 does not know that these are harmless; MultiStepLR keeps a Counter
        "collections.Counter": Counter,
        "builtins.complex": complex,
        "builtins.bytes": _no_bytes,
        "_codecs.encode": _latin1,
        "numpy.ndarray": PickledArray,
        "numpy.dtype": PickledType,
    }
    for core in ("numpy.core", "numpy._core"):  # of NumPy 1 and 2
        names[f"{core}.multiarray._reconstruct"] = pickled_array
        names[f"{core}.multiarray.scalar"] = pickled_scalar
    return names


def _statistic(owner: object, name: str) -> object:
    """What a pickled HistoryBuffer may look up with ``getattr``: its own statistics."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f"getattr of {name!r} is not allowed in a checkpoint")
    return getattr(owner, name)


def _no_bytes() -> bytes:
    """How pickle protocol 2 writes bytes of no length."""
    return b""


def _latin1(text: str, encoding: str) -> bytes:
    """How pickle protocol 2 writes bytes: as text, with this one encoding."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not allowed in a checkpoint")
    return text.encode("latin1")
