"""``PACKAGE::NAME.py``: the configs that an installed package brings in its ``.mim/configs``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import mmengine.hub.hub
from mmengine.config import Config

from ..environment import configs_of
from ..errors import UserError, did_you_mean

_PACKAGE = __name__.partition(".")[0]


def find_config(name: str) -> Path:
    """The file that ``NAME.py`` or ``PACKAGE::NAME.py`` means; of a work folder its newest.

    Raises:
        UserError: there is none.
    """
    package, installed, relative = name.rpartition("::")
    folder = configs_of(package) if package.isidentifier() else None
    if installed and folder is None:
        raise UserError(f"config {name}: {package} is not installed")
    path = folder / relative if folder else Path(name)
    if path.is_dir() and not folder:
        newest = newest_config(path)
        if newest is None:
            raise UserError(f"config {name}: the folder holds no config, as a training leaves it")
        return newest
    if not path.is_file():
        if folder:
            known = [f"{package}::{p.relative_to(folder)}" for p in folder.rglob("*.py")]
        else:
            known = [str(p) for p in path.parent.glob("*.py")]  # none where there is no folder
        raise UserError(f"config {name} does not exist.{did_you_mean(name, known)}")
    return path


def newest_config(folder: Path) -> Path | None:
    """The config that mmengine has written into a work folder, the newest of several."""
    return max(folder.glob("*.py"), key=lambda file: file.stat().st_mtime, default=None)


def install() -> None:
    """Let ``_base_`` and ``mmengine.hub.get_config`` find this package's configs.

    mmengine does so for the packages of a list of its own, and only in subfolders. For each
    ``_base_`` of these it reads all of the package's metafiles, which takes half a second, and
    then takes the file of that name, which is all that is done here.
    """
    if hasattr(Config._get_cfg_path, "__wrapped__"):
        return
    Config._get_cfg_path = staticmethod(_base_path(Config._get_cfg_path))
    # what get_config calls, since others may have imported it itself already
    hub = mmengine.hub.hub
    hub._get_package_and_cfg_path = _unless_ours(hub._get_package_and_cfg_path, _package_and_name)
    folder = str(Path(__file__).parents[2])
    hub.get_installed_path = _unless_ours(hub.get_installed_path, lambda _: folder)


def _base_path(theirs: Callable) -> Callable:
    @functools.wraps(theirs)
    def either(name: str, filename: str) -> tuple[str, str | None]:
        package, installed, relative = name.partition("::")
        if package == _PACKAGE:
            return str(find_config(name)), None
        folder = configs_of(package) if installed and package.isidentifier() else None
        if folder and (folder / relative).is_file():
            return str(folder / relative), package
        return theirs(name, filename)

    return either


def _unless_ours(theirs: Callable, ours: Callable) -> Callable:
    """``ours`` where the first argument is, or is of, this package; else ``theirs``."""

    @functools.wraps(theirs)
    def either(name: str, *arguments: object) -> object:
        is_ours = name.partition("::")[0] == _PACKAGE
        return ours(name, *arguments) if is_ours else theirs(name, *arguments)

    return either


def _package_and_name(name: str) -> tuple[str, str]:
    find_config(name)  # whose error says more
    return _PACKAGE, name.partition("::")[2]
