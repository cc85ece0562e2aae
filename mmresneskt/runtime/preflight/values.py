"""Values of the wrong type or out of range, of settings that every config has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..building import scope_of
from ..config.datasets import dataloaders
from ..config.keywords import keywords
from ..config.parts import parts
from ..config.tree import settings
from .findings import Finding, error, warning

# by a setting's name, wherever it stands: the least whole number, and what else is allowed
_WHOLE: dict[str, tuple] = {
    **dict.fromkeys(("batch_size", "max_epochs", "max_iters"), (1,)),
    **dict.fromkeys(("accumulative_counts", "base_batch_size"), (1,)),
    **dict.fromkeys(("prefetch_factor", "num_classes"), (1, None)),
    **dict.fromkeys(("num_workers", "val_begin"), (0,)),
    "seed": (0, None),
    "frozen_stages": (-1,),  # none
    "max_keep_ckpts": (1, -1),  # all
    "interval": (1, -1),  # never
}
_POSITIVE = ("T_max", "max_norm", "val_interval")
_FLAGS = ("persistent_workers", "drop_last", "pin_memory", "by_epoch", "enable", "deterministic")
_TEXTS = ("load_from", "work_dir", "default_scope")
_DICTIONARIES: tuple[str, ...] = ("model", "optim_wrapper", "train_cfg", "val_cfg", "test_cfg")
_DICTIONARIES += ("train_dataloader", "val_dataloader", "test_dataloader")
_DICTIONARIES += ("default_hooks", "randomness", "env_cfg")


def out_of_range(cfg: Config) -> Iterator[Finding]:
    """What no constructor would refuse: well-known settings, and text in place of a number."""
    told = set()
    for key, value in settings(cfg):
        if wanted := _wanted(key, value):
            told.add(key)
            yield error(key, f"{value!r} is not allowed: give {wanted}")
    for key, loader in dataloaders(cfg).items():
        if isinstance(loader, dict) and loader.get("num_workers") == 0:
            for name in ("persistent_workers", "prefetch_factor"):
                if loader.get(name):
                    yield error(f"{key}.{name}", f"{loader[name]!r} needs num_workers above 0")
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer")
    if isinstance(optimizer, dict) and optimizer.get("lr") == 0:
        yield warning("optim_wrapper.optimizer.lr", "with a learning rate of 0 nothing is learnt")
    yield from (finding for finding in _mistyped(cfg) if finding.key not in told)


def _wanted(key: str, value: Any) -> str | None:
    """What to give in place of a value that cannot be right."""
    name = key.rpartition(".")[2]
    if name in _WHOLE and (name != "interval" or "_hooks." in key):
        least, *others = _WHOLE[name]
        if not (type(value) is int and value >= least) and value not in others:
            return " or ".join((f"a whole number from {least} on", *map(str, others)))
    if (name in _FLAGS or key == "resume") and not isinstance(value, bool):
        return "True or False"
    if name in _POSITIVE and not (_number(value) and 0 < value < math.inf):
        return "a number above 0"
    if name == "scale" and "pipeline." in key and isinstance(value, (list, tuple)):
        return None if len(value) == 2 or not all(map(_number, value)) else "(width, height)"
    if key in _TEXTS and not isinstance(value, str) and value is not None:
        return "text, or None"
    return "a dictionary of settings" if key in _DICTIONARIES and value is not None else None


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mistyped(cfg: Config) -> Iterator[Finding]:
    """Text where the default is a number or a switch: ``"False"`` counts as true in Python."""
    with scope_of(cfg):
        for part in parts(cfg):
            accepted = keywords(part.find()) or {}
            for name in part.cfg.keys() & accepted.keys():
                value, default = part.cfg[name], accepted[name].default
                if not isinstance(value, str) or not isinstance(default, (bool, int, float)):
                    continue
                annotation = str(accepted[name].annotation)
                if "str" not in annotation and "Union" not in annotation:
                    wanted = "True or False" if isinstance(default, bool) else "a number"
                    yield error(f"{part.key}.{name}", f"{value!r} is not allowed: give {wanted}")
