"""``PACKAGE::NAME.py``: the configs that an installed package brings in its ``.mim/configs``."""

from __future__ import annotations

import functools
from pathlib import Path

import mmengine.hub.hub
from mmengine.config import Config

from ..environment import configs_of
from ..errors import UserError, did_you_mean

_PACKAGE = __name__.partition(".")[0]


def find_config(name: str) -> Path:
    """The file that ``NAME.py`` or ``PACKAGE::NAME.py`` means.

    Raises:
        UserError: there is none.
    """
    package, installed, relative = name.rpartition("::")
    folder = configs_of(package) if package.isidentifier() else None
    if installed and folder is None:
        raise UserError(f"config {name}: {package} is not installed")
    path = folder / relative if installed else Path(name)
    if not path.is_file():
        if installed:
            known = [f"{package}::{p.relative_to(folder)}" for p in folder.rglob("*.py")]
        else:
            known = [str(p) for p in path.parent.glob("*.py")]  # none where there is no folder
        raise UserError(f"config {name} does not exist.{did_you_mean(name, known)}")
    return path


def install() -> None:
    """Let ``_base_`` and ``mmengine.hub.get_config`` find this package's configs.

    mmengine does so for the packages of a list of its own, and only in subfolders.
    """
    if hasattr(Config._get_cfg_path, "__wrapped__"):
        return
    find_base, get_config = Config._get_cfg_path, mmengine.hub.get_config

    @functools.wraps(find_base)
    def find_base_or_ours(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(f"{_PACKAGE}::"):
            return str(find_config(cfg_path)), None
        return find_base(cfg_path, filename)

    @functools.wraps(get_config)
    def get_config_or_ours(cfg_path: str, pretrained: bool = False) -> Config:
        if cfg_path.startswith(f"{_PACKAGE}::"):
            return Config.fromfile(find_config(cfg_path))
        return get_config(cfg_path, pretrained)

    Config._get_cfg_path = staticmethod(find_base_or_ours)
    for module in (mmengine.hub, mmengine.hub.hub):
        module.get_config = get_config_or_ours
