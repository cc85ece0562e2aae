"""A pickle module for ``torch.load`` that resolves allowed globals only.

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

    Any other global raises pickle.UnpicklingError before anything of it is imported.
    """
    known = {**_weights_only_unpickler._get_allowed_globals(), **allowed}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            module = _PYTHON_2_NAMES.get(module, module)
            path = f"{module}.{name}"
            if path in known:
                return known[path]
            raise pickle.UnpicklingError(f"GLOBAL {path} is not allowed")

    restricted = ModuleType("restricted_pickle")
    restricted.Unpickler = Unpickler
    restricted.load = lambda file, **options: Unpickler(file, **options).load()
    return restricted
