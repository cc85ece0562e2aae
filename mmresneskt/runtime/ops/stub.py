"""A file ``mmcv/_ext.py`` for programs that import ``mmcv.ops`` before any config is read.

It hands over to this package, and is written and removed by ``mmresneskt ops`` alone. Compiled
operators beside it win: of two modules of one name Python takes the library before the ``.py``.
"""

from __future__ import annotations

import importlib.util
import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..errors import UserError
from ..files import write_whole
from . import MARK, is_stub

_STUB = f'''{MARK}
"""Stands in for mmcv's compiled operators, which mmcv-lite lacks."""

try:
    import mmresneskt.runtime.ops
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "mmresneskt":
        raise
    raise ModuleNotFoundError(
        f"mmresneskt, which serves mmcv's operators here, is not installed: "
        f"install it again, or remove {{__file__}}",
        name=__name__,
    ) from None

mmresneskt.runtime.ops.install()  # which takes this module's place
'''


def install(folder: Path) -> Path:
    """Write the file into mmcv's folder; where it is already there, write it again.

    Raises:
        UserError: mmcv has compiled operators or another file of that name, or cannot be
            written to.
    """
    compiled = _compiled(folder)
    if compiled:
        raise UserError(f"mmcv has compiled operators, {compiled}: nothing needs to stand in")
    file = _ours(folder)
    try:
        return write_whole(file, _STUB.encode())
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error


def status(folder: Path) -> str:
    """What serves ``mmcv.ops`` in a program that does not import this package first.

    Raises:
        UserError: something else has written the file.
    """
    compiled, file = _compiled(folder), _ours(folder)
    if compiled:
        unused = f"; {file} is not used: mmresneskt ops remove" if file.exists() else ""
        return f"mmcv has compiled operators, {compiled}{unused}"
    if file.exists():
        return f"{file} hands mmcv.ops over to mmresneskt"
    return (
        f"{folder} has no compiled operators, and nothing stands in for them: mmresneskt ops "
        f"install, or import mmresneskt before mmcv.ops"
    )


def remove(folder: Path) -> Path | None:
    """Remove the file; give its name, or None where there is none.

    Raises:
        UserError: something else has written it, or it cannot be removed.
    """
    file = _ours(folder)
    if not file.exists():
        return None
    try:
        file.unlink()
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{file} cannot be removed: {error.strerror}") from error
    return file


def mmcv_folder() -> Path:
    """Where mmcv is installed."""
    import mmcv

    return Path(mmcv.__file__).parent


def _compiled(folder: Path) -> Path | None:
    """The library that Python would load."""
    files = (folder / f"_ext{suffix}" for suffix in EXTENSION_SUFFIXES)
    return next((file for file in files if file.exists()), None)


def _ours(folder: Path) -> Path:
    file = folder / "_ext.py"
    if os.path.lexists(file) and not is_stub(file):
        raise UserError(f"{file} is left alone: mmresneskt has not written it")
    return file
