"""Values of the wrong type or out of range, of settings that every config has."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator

from mmengine.config import Config

from ..building import scope_of
from ..config.keywords import keywords
from ..config.parts import parts
from ..config.tree import settings
from .findings import Finding, error, warning


def _whole(least: int, *others: object) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        integer = isinstance(value, int) and not isinstance(value, bool)
        return (integer and value >= least) or (value in others and not isinstance(value, bool))

    return fits


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: object) -> bool:
    return _number(value) and value > 0


def _share(value: object) -> bool:
    return _number(value) and 0 <= value <= 1


def _text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _sides(value: object) -> bool:
    """Width and height where it is a sequence of numbers; what else it is, the class knows."""
    return not (isinstance(value, (list, tuple)) and all(map(_number, value))) or len(value) == 2


_ANY = r"(train|val|test)_dataloader"
# dotted key, what fits, and how that is said
_RULES: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    (rf"{_ANY}\.batch_size", _whole(1), "a whole number from 1 on"),
    (rf"{_ANY}\.num_workers", _whole(0), "a whole number from 0 on"),
    (rf"{_ANY}\.(persistent_workers|drop_last|pin_memory)", _flag, "True or False"),
    (rf"{_ANY}\.prefetch_factor", _whole(1, None), "a whole number from 1 on"),
    (r"train_cfg\.(max_epochs|max_iters)", _whole(1), "a whole number from 1 on"),
    (r"train_cfg\.val_interval", lambda value: _number(value) and value >= 1, "a number from 1 on"),
    (r"train_cfg\.val_begin", _whole(0), "a whole number from 0 on"),
    (r"train_cfg\.by_epoch", _flag, "True or False"),
    (r"optim_wrapper\.optimizer\.lr", _number, "a number"),
    (r"param_scheduler\.\d+\.T_max", _positive, "a number above 0"),
    (rf"{_ANY}\.dataset\.(.*\.)?pipeline\.\d+\.scale", _sides, "(width, height)"),
    (r"optim_wrapper\.accumulative_counts", _whole(1), "a whole number from 1 on"),
    (r"optim_wrapper\.clip_grad\.max_norm", _positive, "a number above 0"),
    (r"auto_scale_lr\.base_batch_size", _whole(1), "a whole number from 1 on"),
    (r"auto_scale_lr\.enable", _flag, "True or False"),
    (r"default_hooks\.checkpoint\.interval", _whole(1, -1), "a whole number from 1 on"),
    (
        r"default_hooks\.checkpoint\.max_keep_ckpts",
        _whole(1, -1),
        "a whole number from 1 on, or -1 for all",
    ),
    (r"default_hooks\.logger\.interval", _whole(1), "a whole number from 1 on"),
    (r"randomness\.seed", _whole(0, None), "a whole number from 0 on"),
    (r"randomness\.deterministic", _flag, "True or False"),
    (r"resume", _flag, "True or False"),
    (r"load_from|work_dir|default_scope", _text, "text, or None"),
    (r"model\.(.*\.)?num_classes", _whole(1, None), "a whole number from 1 on"),
    (r"model\.(.*\.)?frozen_stages", _whole(-1), "a whole number from -1 (none frozen) on"),
    (r"model\.(.*\.)?(drop_path_rate|drop_rate|dropout_ratio)", _share, "a number from 0 to 1"),
    (r"data_preprocessor\.num_classes", _whole(1, None), "a whole number from 1 on"),
)
_DICTIONARIES = ("model", "train_dataloader", "val_dataloader", "test_dataloader", "optim_wrapper")
_DICTIONARIES += ("train_cfg", "val_cfg", "test_cfg", "default_hooks", "randomness", "env_cfg")


def out_of_range(cfg: Config) -> Iterator[Finding]:
    """Well-known settings against their ranges, and all against the type of their default."""
    told = set()
    for key, value in settings(cfg):
        for pattern, fits, wanted in _RULES:
            if re.fullmatch(pattern, key) and not fits(value):
                told.add(key)
                yield error(key, f"{value!r} is not allowed: give {wanted}")
    for key in _DICTIONARIES:
        if cfg.get(key) is not None and not isinstance(cfg[key], dict):
            yield error(key, f"{cfg[key]!r} is not allowed: it is a dictionary of settings")
    for part in ("train", "val", "test"):
        loader = cfg.get(f"{part}_dataloader")
        if isinstance(loader, dict) and loader.get("num_workers") == 0:
            for name in ("persistent_workers", "prefetch_factor"):
                if loader.get(name):
                    key = f"{part}_dataloader.{name}"
                    yield error(key, f"{loader[name]!r} needs num_workers above 0")
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer")
    if isinstance(optimizer, dict) and optimizer.get("lr") == 0:
        yield warning("optim_wrapper.optimizer.lr", "with a learning rate of 0 nothing is learnt")
    yield from (finding for finding in _mistyped(cfg) if finding.key not in told)


def _mistyped(cfg: Config) -> Iterator[Finding]:
    """Text where the default is a number or a switch: ``"False"`` counts as true in Python."""
    with scope_of(cfg):
        for part in parts(cfg):
            found = part.find()
            accepted = (keywords(found) if found is not None else None) or {}
            for name, value in part.cfg.items():
                default = accepted[name].default if name in accepted else inspect.Parameter.empty
                if not isinstance(value, str) or not isinstance(default, (bool, int, float)):
                    continue
                annotation = str(accepted[name].annotation)
                if "str" in annotation or "Union" in annotation:
                    continue
                wanted = "True or False" if isinstance(default, bool) else "a number"
                yield error(f"{part.key}.{name}", f"{value!r} is not allowed: give {wanted}")
