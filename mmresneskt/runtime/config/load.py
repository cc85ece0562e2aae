"""Load a config and apply what the command line says about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, ConfigDict

from ..errors import UserError, explain
from .datasets import PARTS, check_classes, dataloaders, leaves
from .installed import find_config
from .tree import nodes
from .variables import read


def load_config(
    filename: str, options: dict | None = None, change: Callable[[Config], Config] | None = None
) -> Config:
    """Read a config, change it if asked to, and merge ``--cfg-options`` into it.

    Options reach further than their keys, as users expect: ``data_root`` replaces the old root
    wherever a dataset or an evaluator was built from it, and from another name at the top, such
    as ``max_epochs``, is built anew what a file builds from it (:func:`read`). So it is with such
    a name in a config that builds on one of this package.

    Args:
        filename: a file, or one that an installed package brings: ``mmdet::FOLDER/NAME.py``.
        change: what happens to it before the options, such as a swap of the backbone.

    Raises:
        UserError: no such file, one that cannot be read, what ``change`` raises, a name at the
            top that nothing is built from, or classes that are no list of names.
    """
    path = find_config(filename)
    options = options or {}
    try:
        cfg = read(path, options)
    except UserError:
        raise
    except Exception as error:  # a config is Python: anything can go wrong in it
        raise UserError(f"config {filename} cannot be read: {explain(error)}") from error
    if change:
        cfg = change(cfg)
    in_datasets = {d.data_root for d in leaves(cfg).values() if d.get("data_root")}
    roots = [cfg.data_root] if cfg.get("data_root") else sorted(in_datasets)
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # mmengine asserts and indexes its way through the keys
        raise UserError(
            f"--cfg-options cannot be applied to {filename}: {explain(error)}"
        ) from error
    check_classes(cfg)
    if "data_root" in options:
        for part in (*dataloaders(cfg).values(), *_evaluators(cfg)):
            for old in roots:
                _move(part, str(old), str(options["data_root"]))
    return cfg


def default_work_dir(cfg: Config, filename: str, given: str | None, backbone: str = "") -> str:
    """MM's rule: the command line, else the config, else ./work_dirs/<config's name>.

    A swapped backbone is part of the name: its run must not go on where another's ended.
    """
    name = Path(filename.rpartition("::")[2]).stem + (f"_{backbone}" if backbone else "")
    return given or cfg.get("work_dir") or str(Path("work_dirs") / name)


def _evaluators(cfg: Config) -> list[ConfigDict | list]:
    return [cfg[key] for key in (f"{part}_evaluator" for part in PARTS) if cfg.get(key)]


def _move(node: object, old: str, new: str) -> None:
    """Put the paths in a folder into another; ``data/VOC2012`` is not in ``data/VOC``."""
    old = old.rstrip("/")

    def moved(value: object) -> object:
        if isinstance(value, list):
            return [moved(item) for item in value]
        if not isinstance(value, str) or not f"{value}/".startswith(f"{old}/"):
            return value
        rest = value[len(old) :].lstrip("/")
        return f"{new.rstrip('/')}/{rest}" if rest else new

    for _, part in nodes(node):
        for name, value in part.items():
            if isinstance(value, (str, list)):
                part[name] = moved(value)
