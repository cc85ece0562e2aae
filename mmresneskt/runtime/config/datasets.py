"""The loaders and datasets of a config, wherever wrappers have put them."""

from __future__ import annotations

import re

from mmengine.config import Config, ConfigDict

from .tree import nodes

PARTS = ("train", "val", "test")


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
