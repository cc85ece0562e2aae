"""NumPy's arrays and scalars out of a checkpoint, without its own unpickling.

The state that a pickle may set on a ``numpy.dtype`` is not checked: one that hides its
object fields makes NumPy follow any bytes of the file as a pointer. So here a type is made
from its code alone, and only of numbers, truth values and text.
"""

from __future__ import annotations

import pickle
import re

import numpy as np

_CODE = re.compile(r"b1|[iu][1248]|f[248]|f16|c8|c16|c32|[US]\d{1,9}")
_NOTHING = (None, None, None)  # of subarray, names and fields


class PickledType:
    """What stands for ``numpy.dtype`` while a checkpoint is read."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if not (isinstance(code, str) and _CODE.fullmatch(code)):
            raise pickle.UnpicklingError(f"NumPy values of type {code!r} are not allowed")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        _, order, *parts = state[:5]
        if tuple(parts) != _NOTHING or order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError("NumPy values of several fields are not allowed")
        self.dtype = self.dtype.newbyteorder(order)


class PickledArray(np.ndarray):
    """An array out of a checkpoint; saved again, it is a plain one."""

    def __new__(cls) -> PickledArray:
        return super().__new__(cls, (0,), "u1")

    def __setstate__(self, state: tuple) -> None:
        version, shape, kind, fortran, data = state
        if not (isinstance(kind, PickledType) and isinstance(data, bytes)):
            raise pickle.UnpicklingError("an array of NumPy whose data is not bytes")
        super().__setstate__((version, shape, kind.dtype, fortran, data))

    def __reduce__(self) -> tuple:
        return np.asarray(self).__reduce__()

    def __reduce_ex__(self, protocol: int) -> tuple:
        return np.asarray(self).__reduce_ex__(protocol)


def pickled_array(kind: type, shape: tuple, code: bytes) -> PickledArray:
    """``_reconstruct``: an array that gets its state later."""
    return PickledArray()


def pickled_scalar(kind: PickledType, data: bytes) -> np.generic:
    """``scalar``: one value."""
    if not isinstance(kind, PickledType):
        raise pickle.UnpicklingError("a NumPy value without a type")
    return np.frombuffer(data, kind.dtype, count=1)[0]
