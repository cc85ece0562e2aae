"""A pickle module for ``torch.load`` that resolves and calls allowed globals only.

Needed before torch 2.6, whose ``weights_only=True`` cannot build the classes of
mmengine's checkpoints however they are listed.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import ModuleType

from torch import _weights_only_unpickler

_PYTHON_2_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""torch.save writes pickle protocol 2, which names modules as Python 2 did."""


def restricted_pickle(allowed: Mapping[str, object]) -> ModuleType:
    """A module whose ``load`` and ``Unpickler`` know torch's own globals and ``allowed``.

    Args:
        allowed: "module.name" as it stands in the file -> what to use for it.

    Any other global raises pickle.UnpicklingError before anything of it is imported, and so
    does a call of, or a state set on, anything that is not one of these.
    """
    known = {**_weights_only_unpickler._get_allowed_globals(), **allowed}
    callable_ids = {id(value) for value in known.values()}

    # written in Python, so that what an opcode may act upon can be looked at
    class Unpickler(pickle._Unpickler):
        dispatch = dict(pickle._Unpickler.dispatch)

        def find_class(self, module: str, name: str) -> object:
            module = _PYTHON_2_NAMES.get(module, module)
            path = f"{module}.{name}"
            if path in known:
                return known[path]
            raise pickle.UnpicklingError(f"GLOBAL {path} is not allowed")

        def load_call(self, opcode: bytes, depth: int) -> None:
            if id(self.stack[-depth]) not in callable_ids:
                raise pickle.UnpicklingError(f"calling {self.stack[-depth]!r} is not allowed")
            pickle._Unpickler.dispatch[opcode[0]](self)

        def load_state(self) -> None:
            if id(type(self.stack[-2])) not in callable_ids:
                raise pickle.UnpicklingError(
                    f"setting a state of {self.stack[-2]!r} is not allowed"
                )
            self.load_build()

        def refuse(self) -> None:
            raise pickle.UnpicklingError("an opcode that torch.save never writes")

        dispatch[pickle.REDUCE[0]] = lambda self: self.load_call(pickle.REDUCE, 2)
        dispatch[pickle.NEWOBJ[0]] = lambda self: self.load_call(pickle.NEWOBJ, 2)
        dispatch[pickle.NEWOBJ_EX[0]] = lambda self: self.load_call(pickle.NEWOBJ_EX, 3)
        dispatch[pickle.BUILD[0]] = load_state
        for code in (pickle.INST, pickle.OBJ, pickle.EXT1, pickle.EXT2, pickle.EXT4):
            dispatch[code[0]] = refuse

    restricted = ModuleType("restricted_pickle")
    restricted.Unpickler = Unpickler
    restricted.load = lambda file, **options: Unpickler(file, **options).load()
    return restricted
