"""The loaders and datasets of a config, wherever wrappers have put them."""

from __future__ import annotations

import re

from mmengine.config import Config, ConfigDict

from ..errors import UserError
from .tree import nodes

PARTS = ("train", "val", "test")


def plain_list(value: object, what: str) -> list:
    """Names or numbers of classes.

    Args:
        what: they are, for the message.

    Raises:
        UserError: they are no list of texts or numbers.
    """
    if isinstance(value, (list, tuple)) and all(isinstance(v, (str, int, float)) for v in value):
        return list(value)
    raise UserError(f"{what}: {value!r:.60} is not allowed: give a list, an entry for each class")


def check_classes(cfg: Config) -> None:
    """Look at the names of the classes in a config, its datasets' included.

    Raises:
        UserError: they are no list; a text is the name of a file of them.
    """
    given = {"classes": cfg.get("classes")}
    for key, dataset in leaves(cfg).items():
        meta = dataset.get("metainfo") or {}
        if not isinstance(meta, dict):
            raise UserError(f"{key}.metainfo: {meta!r:.60} is not allowed: give a dictionary")
        given[f"{key}.metainfo.classes"] = meta.get("classes")
    for key, classes in given.items():
        if classes is not None and not isinstance(classes, str):
            plain_list(classes, key)


def datasets(cfg: Config) -> dict[str, ConfigDict]:
    """Each dataset of a config by its dotted key, wrappers' inner datasets included."""
    return {
        key: node
        for loader_key, loader in dataloaders(cfg).items()
        for key, node in nodes(loader, loader_key)
        if node and re.fullmatch(r"(\.dataset|\.datasets\.\d+)+", key.removeprefix(loader_key))
    }


def leaves(cfg: Config) -> dict[str, ConfigDict]:
    """The datasets that read data, without the wrappers around them."""
    found = datasets(cfg)
    return {k: d for k, d in found.items() if not d.get("dataset") and not d.get("datasets")}


def dataloaders(cfg: Config) -> dict[str, ConfigDict]:
    """The loaders of a config by key, the one that a loop of ``val_cfg`` adds included."""
    found = {f"{part}_dataloader": cfg.get(f"{part}_dataloader") for part in PARTS}
    found["val_cfg.train_dataloader"] = (cfg.get("val_cfg") or {}).get("train_dataloader")
    return {key: loader for key, loader in found.items() if loader}
