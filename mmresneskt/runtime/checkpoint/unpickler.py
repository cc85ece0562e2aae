"""An unpickler that can make nothing but the values of a checkpoint.

Every name that a file may use stands in :data:`_ALLOWED`, with what is called in its place: a
function or a class of this module, which looks at its arguments and does nothing else.
docs/trust.md says of each name why that is harmless. What comes out still holds the stand-ins;
:mod:`.plain` turns them into plain values.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch

_EXPANDED = 1 << 20
"""Elements that a tensor may have beyond its storage: ``expand`` repeats what is stored."""


class Storage:
    """A storage's bytes with the type of its elements; what a file calls ``FloatStorage``."""

    __slots__ = ("dtype", "untyped")

    def __init__(self, untyped: torch.UntypedStorage, dtype: torch.dtype) -> None:
        self.untyped, self.dtype = untyped, dtype


class StorageType:
    """``torch.FloatStorage`` and its kin: the type of the elements."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class Kind:
    """A class that a file may name as the type of a tensor, and that nothing is made of."""

    __slots__ = ()


class Built:
    """Something that gets its state after it is made: the state is kept, and looked at later."""

    __slots__ = ()
    state: Any


class BuiltDict(dict, Built):
    """``OrderedDict``; the state holds what was set as attributes."""

    __slots__ = ("state",)

    def __init__(self, pairs: list = []) -> None:  # noqa: B006 (only read)
        _need(type(pairs) is list, "an OrderedDict of something else than pairs")
        super().__init__(pairs)


class BuiltCounter(dict, Built):
    """``Counter``, which MultiStepLR keeps its milestones in."""

    __slots__ = ("state",)

    def __init__(self, counts: dict = {}) -> None:  # noqa: B006 (only read)
        _need(type(counts) is dict, "a Counter of something else than counts")
        super().__init__(counts)


class BuiltHistory(Built):
    """mmengine's ``HistoryBuffer``."""

    __slots__ = ("state",)


class BuiltArray(Built):
    """``numpy.ndarray``."""

    __slots__ = ("state",)


class BuiltType(Built):
    """``numpy.dtype``, of numbers, truth values and text only.

    NumPy does not check the state that a pickle sets on a type: one that hides its object
    fields makes it follow any bytes of the file as a pointer.
    """

    __slots__ = ("dtype", "state")
    _CODE = re.compile(r"b1|[iu][1248]|f[248]|f16|c8|c16|c32|[US]\d{1,9}")

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        fits = type(code) is str and self._CODE.fullmatch(code)
        _need(fits, f"NumPy values of type {_said(code)} are not allowed")
        self.dtype = np.dtype(code)

    def in_order(self) -> np.dtype:
        """The type with the order of bytes that its state names."""
        if not hasattr(self, "state"):
            return self.dtype
        _need(type(self.state) is tuple and len(self.state) >= 5, "a NumPy type without its state")
        _, order, *parts = self.state[:5]  # of subarray, names and fields there are none
        _need(parts == [None] * 3 and order in ("<", ">", "=", "|"), "NumPy values of fields")
        return self.dtype.newbyteorder(order)


class Unpickler(pickle._Unpickler):
    """Python's own, written in Python, with the opcodes that ``torch.save`` uses.

    Args:
        file: to read from; not beyond the end of the pickle.
        storage: what a persistent id stands for, see torch's documentation of its format.
    """

    stack: list[Any]  # of the base class, whose stub is that of the one written in C
    pop_mark: Callable[[], list]

    def __init__(self, file: BinaryIO, storage: Callable[[object], Storage]) -> None:
        super().__init__(file)
        self._storage = storage

    def persistent_load(self, pid: object) -> Storage:
        return self._storage(pid)

    def find_class(self, module: str, name: str) -> object:
        # torch.save writes pickle protocol 2, which names modules as Python 2 did
        path = f"{'builtins' if module == '__builtin__' else module}.{name}"
        _need(path in _ALLOWED, f"GLOBAL {path} is not allowed")
        return _ALLOWED[path]

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        fits = type(arguments) is tuple and _is_callable(function)
        _need(fits, f"calling a {type(function).__name__} is not allowed")
        self.stack[-1] = function(*arguments)

    def load_newobj(self) -> None:
        arguments = self.stack.pop()
        fits = arguments == () and self.stack[-1] is BuiltHistory
        _need(fits, f"making a {type(self.stack[-1]).__name__} is not allowed")
        self.stack[-1] = BuiltHistory()

    def load_build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        _need(isinstance(made, Built), f"setting a state of {type(made).__name__} is not allowed")
        made.state = state

    def refuse(self) -> None:
        raise pickle.UnpicklingError("an opcode that torch.save never writes")

    def load_append(self) -> None:
        value = self.stack.pop()
        self._target(list).append(value)

    def load_appends(self) -> None:
        values = self.pop_mark()
        self._target(list).extend(values)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._target(dict, BuiltDict, BuiltCounter)[key] = value

    def load_setitems(self) -> None:
        values = self.pop_mark()
        self._target(dict, BuiltDict, BuiltCounter).update(zip(values[::2], values[1::2]))

    def load_additems(self) -> None:
        values = self.pop_mark()
        self._target(set).update(values)

    def _target(self, *kinds: type) -> Any:
        target = self.stack[-1]
        _need(type(target) in kinds, f"putting something into a {type(target).__name__}")
        return target

    _OURS: dict[bytes, Callable[..., None]] = {
        pickle.REDUCE: load_reduce,
        pickle.NEWOBJ: load_newobj,
        pickle.BUILD: load_build,
        pickle.APPEND: load_append,
        pickle.APPENDS: load_appends,
        pickle.SETITEM: load_setitem,
        pickle.SETITEMS: load_setitems,
        pickle.ADDITEMS: load_additems,
    }
    _NEVER: tuple[bytes, ...] = (pickle.INST, pickle.OBJ, pickle.EXT1, pickle.EXT2, pickle.EXT4)
    _NEVER += (pickle.PERSID, pickle.NEWOBJ_EX, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)
    dispatch: ClassVar[dict[int, Callable[..., None]]] = {**pickle._Unpickler.dispatch}
    dispatch.update((code[0], load) for code, load in _OURS.items())
    dispatch.update(dict.fromkeys((code[0] for code in _NEVER), refuse))


def _need(condition: object, otherwise: str) -> None:
    if not condition:
        raise pickle.UnpicklingError(otherwise)


def _said(value: object) -> str:
    """Of a text itself, of anything else the type: its own words may take long."""
    return repr(value[:20]) if type(value) is str else type(value).__name__


def _is_callable(function: object) -> bool:
    return any(function is allowed for allowed in _CALLED)


def _tensor(storage: Storage, offset: int, size: tuple, stride: tuple, *_: object) -> torch.Tensor:
    """A view of a storage, inside it and not much larger than it."""
    _need(type(storage) is Storage, "a tensor without a storage")
    return _view(storage.untyped, storage.dtype, offset, size, stride)


def _tensor_v3(
    storage: Storage, offset: int, size: tuple, stride: tuple, _: Any, __: Any, dtype: torch.dtype
) -> torch.Tensor:
    """The same of the types that have no storage of their own, such as float8."""
    _need(type(storage) is Storage and type(dtype) is torch.dtype, "a tensor without a storage")
    return _view(storage.untyped, dtype, offset, size, stride)


def _view(
    untyped: torch.UntypedStorage, dtype: torch.dtype, offset: int, size: tuple, stride: tuple
) -> torch.Tensor:
    whole = (type(n) is int and n >= 0 for n in (offset, *size, *stride))
    _need(type(size) is tuple and type(stride) is tuple, "a tensor without a size")
    _need(all(whole) and len(size) == len(stride), "a tensor of a size that no tensor has")
    stored, elements = untyped.nbytes() // dtype.itemsize, 1
    for n in size:
        elements *= n
    end = offset + sum((n - 1) * step for n, step in zip(size, stride)) + 1 if elements else 0
    _need(end <= stored, "a tensor that reaches beyond what is stored")
    _need(elements <= stored + _EXPANDED, f"a tensor of {elements} elements, of {stored} stored")
    empty = torch.empty(0, dtype=dtype, device=untyped.device)
    return empty.set_(untyped, offset, size, stride)


def _parameter(tensor: torch.Tensor, *_: object) -> torch.Tensor:
    _need(type(tensor) is torch.Tensor, "a parameter that is no tensor")
    return tensor


def _typed(function: Callable, kind: Kind, arguments: tuple, state: object) -> torch.Tensor:
    """A tensor with attributes, which are left out."""
    _need(function in (_tensor, _tensor_v3, _parameter), "a tensor made in an unknown way")
    _need(type(kind) is Kind and type(arguments) is tuple, "a tensor of an unknown class")
    return function(*arguments)


def _size(*numbers: tuple) -> tuple:
    _need(len(numbers) == 1 and type(numbers[0]) is tuple, "a torch.Size of no numbers")
    return numbers[0]


def _device(kind: str, index: int | None = None) -> torch.device:
    _need(type(kind) is str and type(index) in (int, type(None)), "a device without a name")
    return torch.device(kind) if index is None else torch.device(kind, index)


def _statistic(owner: object, name: str) -> None:
    """What a HistoryBuffer looks up of itself; a new one has them anyway."""
    fits = owner is BuiltHistory and name in ("min", "max", "current", "mean")
    _need(fits, f"getattr of {_said(name)} is not allowed")


def _set(values: list = []) -> set:  # noqa: B006 (only read)
    _need(type(values) is list, "a set of no list")
    return set(values)


def _complex(real: float, imaginary: float) -> complex:
    _need(type(real) is type(imaginary) is float, "a complex number of no numbers")
    return complex(real, imaginary)


def _no_bytes() -> bytes:
    """How pickle protocol 2 writes bytes of no length."""
    return b""


def _latin1(text: str, encoding: str) -> bytes:
    """How pickle protocol 2 writes bytes: as text, with this one encoding."""
    _need(type(text) is str and encoding == "latin1", f"encoding {_said(encoding)} is not allowed")
    return text.encode("latin1")


def _array(kind: object, shape: object, code: object) -> BuiltArray:
    """``numpy._core.multiarray._reconstruct``: an array that gets its state later."""
    return BuiltArray()


def _scalar(kind: BuiltType, data: bytes) -> np.generic:
    _need(type(kind) is BuiltType and type(data) is bytes, "a NumPy value without a type")
    return np.frombuffer(data, kind.in_order(), count=1)[0]


_CALLED = (
    *(BuiltDict, BuiltCounter, BuiltType),
    *(_tensor, _tensor_v3, _parameter, _typed, _size, _device),
    *(_statistic, _set, _complex, _no_bytes, _latin1, _array, _scalar),
)
_STORED = {
    **dict(Double="float64", Float="float32", Half="float16", BFloat16="bfloat16"),
    **dict(Long="int64", Int="int32", Short="int16", Char="int8", Byte="uint8", Bool="bool"),
    **dict(ComplexDouble="complex128", ComplexFloat="complex64", Untyped="uint8"),
}
_STORAGES = {f"{n}Storage": StorageType(getattr(torch, t)) for n, t in _STORED.items()}
_ALLOWED: dict[str, object] = {
    "collections.OrderedDict": BuiltDict,
    "collections.Counter": BuiltCounter,
    "builtins.set": _set,
    "builtins.complex": _complex,
    "builtins.bytes": _no_bytes,
    "_codecs.encode": _latin1,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch.Tensor": Kind(),
    "torch._tensor.Tensor": Kind(),
    "torch.nn.parameter.Parameter": Kind(),
    "torch.Size": _size,
    "torch.device": _device,
    **{f"torch.{name}": kind for name, kind in _STORAGES.items()},
    "torch.storage.UntypedStorage": _STORAGES["UntypedStorage"],
    **{str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)},
    "mmengine.logging.history_buffer.HistoryBuffer": BuiltHistory,
    "builtins.getattr": _statistic,
    "numpy.ndarray": Kind(),
    "numpy.dtype": BuiltType,
    # of NumPy 1 and 2
    **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
}
