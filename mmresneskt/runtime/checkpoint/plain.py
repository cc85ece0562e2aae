"""What was unpickled, as plain values: exact types, no attributes, known keys."""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from .unpickler import BuiltArray, BuiltCounter, BuiltDict, BuiltHistory, BuiltType

_LEAVES: tuple[type, ...] = (type(None), bool, int, float, complex, str, bytes, bytearray)
_LEAVES += (torch.Tensor, torch.dtype, torch.device)


def plain(value: object) -> object:
    """A copy in which every object's exact type is on a short list, tensors as they are.

    The list: None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set, dict,
    OrderedDict (with the ``_metadata`` of versions that modules read, and no other attribute),
    Counter, Tensor, dtype, device, NumPy's arrays, scalars and types of numbers, truth values
    and text, and HistoryBuffer. What several places share they share in the copy.

    Raises:
        pickle.UnpicklingError: there is something else in it, or it holds itself.
    """
    return _Copier().copy(value)


class _Copier:
    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}
        self._open: set[int] = set()

    def copy(self, value: object) -> Any:
        kind = type(value)
        if kind in _LEAVES or isinstance(value, np.generic):
            return value
        if id(value) in self._copies:
            return self._copies[id(value)]
        if id(value) in self._open:
            raise pickle.UnpicklingError("a value that holds itself")
        if kind not in _COPIES:
            raise pickle.UnpicklingError(f"a {kind.__name__}, which is no plain value")
        self._open.add(id(value))
        copy = _COPIES[kind](self, value)
        self._open.discard(id(value))
        self._copies[id(value)] = copy
        return copy

    def pairs(self, value: dict) -> list[tuple]:
        return [(self.copy(k), self.copy(v)) for k, v in dict.items(value)]

    def ordered(self, value: BuiltDict) -> OrderedDict:
        copy: Any = OrderedDict(self.pairs(value))
        state = getattr(value, "state", None)
        versions = state.get("_metadata") if type(state) is dict else None
        if isinstance(versions, dict):
            copy._metadata = OrderedDict(
                (name, dict(version=entry["version"]))
                for name, entry in dict.items(versions)
                if type(name) is str
                and isinstance(entry, dict)
                and type(entry.get("version")) is int
            )
        return copy

    def history(self, value: BuiltHistory) -> HistoryBuffer:
        state = getattr(value, "state", None)
        state = state if type(state) is dict else {}
        log, count = (self.copy(state.get(f"_{part}_history")) for part in ("log", "count"))
        numbers = all(type(a) is np.ndarray and a.ndim == 1 and a.dtype.kind in "iuf"
                      for a in (log, count))  # fmt: skip
        if not numbers or len(log) != len(count):
            raise pickle.UnpicklingError("a HistoryBuffer that is no list of numbers")
        copy = HistoryBuffer(max_length=max(len(log), 1_000_000))
        copy._log_history, copy._count_history = log, count
        if type(state.get("max_length")) is int:
            copy.max_length = state["max_length"]
        return copy


def _array(_: _Copier, value: BuiltArray) -> np.ndarray:
    state = getattr(value, "state", None)
    if type(state) is not tuple or len(state) != 5:
        raise pickle.UnpicklingError("an array of NumPy without its state")
    _, shape, kind, fortran, data = state
    if type(kind) is not BuiltType or type(data) is not bytes or type(shape) is not tuple:
        raise pickle.UnpicklingError("an array of NumPy whose data is not bytes")
    flat = np.frombuffer(data, kind.in_order())
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


_COPIES: dict[type, Callable[[_Copier, Any], object]] = {
    list: lambda c, v: [c.copy(item) for item in v],
    tuple: lambda c, v: tuple(c.copy(item) for item in v),
    set: lambda c, v: {c.copy(item) for item in v},
    dict: lambda c, v: dict(c.pairs(v)),
    BuiltDict: _Copier.ordered,
    BuiltCounter: lambda c, v: Counter(dict(c.pairs(v))),
    BuiltHistory: _Copier.history,
    BuiltArray: _array,
    BuiltType: lambda c, v: v.in_order(),
}
