"""The module that stands in for ``mmcv._ext``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from inspect import isfunction
from types import ModuleType

EXTENSION = "mmcv._ext"

_MODULES = (
    *("border_align", "carafe", "deform_attn", "deform_conv", "deform_roi_pool", "focal_loss"),
    *("masked_conv", "nms", "overlaps", "prroi_pool", "psa_mask", "roi_align", "roi_pool"),
    *("rotated_align", "rotated_boxes", "sync_bn"),
)

OPERATORS: dict[str, Callable] = {
    # what mmcv's environment report asks for
    "get_compiler_version": lambda: "n/a (operators of torchvision)",
    "get_compiling_cuda_version": lambda: "n/a (operators of torchvision)",
} | {
    name: function
    for module in (import_module(f".{name}", __package__) for name in _MODULES)
    for name, function in vars(module).items()
    if isfunction(function) and function.__module__ == module.__name__ and name[0] != "_"
}
"""The operators that torch and torchvision can serve: each module's public functions, whose names
are mmcv's."""


class Extension(ModuleType):
    """Has every name: mmcv asserts at import that some hundred operators exist.

    Those without an implementation raise NotImplementedError when they are called.
    """

    def __init__(self) -> None:
        super().__init__(EXTENSION, "mmcv's operators on torchvision's kernels")
        self.__spec__ = ModuleSpec(EXTENSION, loader=None)  # find_spec demands one
        self.__dict__.update(OPERATORS)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):  # the import system probes for these
            raise AttributeError(name)
        return _missing(name)


def _missing(name: str) -> Callable:
    def operator(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            f"mmcv's operator {name!r} needs mmcv's compiled operators, and this environment has "
            f"mmcv-lite: pip uninstall mmcv-lite && pip install mmcv (see "
            f"https://mmcv.readthedocs.io/en/latest/get_started/installation.html)"
        )

    operator.__name__ = name
    return operator
