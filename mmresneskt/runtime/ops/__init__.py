"""``mmcv.ops`` without a compiler: mmcv's operators on torchvision's kernels.

mmcv-lite has no compiled ``mmcv._ext``, and every import of ``mmcv.ops`` fails for want
of it. :func:`install` puts a module in its place, which gives the operators that
detectors need; the others raise when they are called. The variable ``MMRESNESKT_OPS``
chooses: ``auto`` (the default) does so only where nothing compiled is there,
``torchvision`` insists on it and ``mmcv`` insists on the compiled operators.
"""

import importlib.util
import os
import sys

from .extension import EXTENSION, Extension

VARIABLE = "MMRESNESKT_OPS"
CHOICES = ("auto", "torchvision", "mmcv")
MARK = '# Written by "mmresneskt ops install"; "mmresneskt ops remove" removes it.'
"""The first line of the file that :mod:`.stub` writes."""


def install() -> str:
    """Make ``mmcv.ops`` importable; return "torchvision" or "mmcv", whichever serves it.

    A compiled ``mmcv._ext`` is never replaced.

    Raises:
        ValueError: the variable is not one of :data:`CHOICES`.
        ImportError: the operators asked for cannot be had; the message says how.
    """
    choice = os.environ.get(VARIABLE, "auto")
    if choice not in CHOICES:
        raise ValueError(f"{VARIABLE}={choice} is not allowed: choose from {', '.join(CHOICES)}")
    compiled = _has_compiled_ops()
    if choice == "torchvision" and compiled:
        raise ImportError(
            f"{VARIABLE}=torchvision, but this mmcv has compiled operators, which are never "
            f"replaced: unset the variable, or pip uninstall mmcv && pip install mmcv-lite"
        )
    if choice == "mmcv" and not compiled:
        raise ImportError(
            f"{VARIABLE}=mmcv, but this mmcv has no compiled operators: unset the variable to "
            f"use torchvision's, or pip uninstall mmcv-lite && pip install mmcv"
        )
    if compiled:
        return "mmcv"
    if not isinstance(sys.modules.get(EXTENSION), Extension):
        sys.modules[EXTENSION] = Extension()
    return "torchvision"


def _has_compiled_ops() -> bool:
    if isinstance(sys.modules.get(EXTENSION), Extension):
        return False
    spec = importlib.util.find_spec(EXTENSION)  # of the module itself while it is imported
    return spec is not None and not is_stub(spec.origin or "")


def is_stub(file: str | os.PathLike) -> bool:
    """Whether this package has written a file ``mmcv/_ext.py``, by what is in it."""
    try:
        with open(file, "rb") as stream:
            return stream.readline().rstrip() == MARK.encode()
    except OSError:
        return False
