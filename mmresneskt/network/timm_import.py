"""Register this package's networks in timm once somebody imports timm, and not before."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_LAST = "timm.models"
"""The part of timm whose import makes its registry ready."""


def register_with_timm() -> None:
    """Now where timm is imported, else as soon as it is."""
    if _LAST in sys.modules:
        _register()
    elif not any(isinstance(finder, _AfterTimm) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterTimm())


def _register() -> None:
    try:
        importlib.import_module(".timm_models", __package__)
    except ImportError as error:  # of a timm older than its registry: whoever imports it goes on
        warnings.warn(f"timm does not get mmresneskt's networks: {error}", stacklevel=2)


class _AfterTimm(MetaPathFinder):
    """Finds timm's models as Python would, and has ours imported behind them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _LAST:
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader: Any = spec and spec.loader
        if loader is not None:
            run = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                sys.meta_path.remove(self)
                _register()

            loader.exec_module = exec_module
        return spec
