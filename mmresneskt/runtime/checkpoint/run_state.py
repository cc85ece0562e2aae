"""What a checkpoint says about its run: the entries that a run needs, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

CONFIGS = ("meta.cfg", "meta.config", "runtime_info.cfg")
"""The text of a config, which mmengine executes as Python where it finds it."""


def _whole(value: object) -> bool:
    return type(value) is int


def _number(value: object) -> bool:
    single = isinstance(value, torch.Tensor) and value.numel() == 1
    return type(value) in (bool, int, float) or isinstance(value, np.number) or single


def _text(value: object) -> bool:
    return type(value) is str


def _name(value: object) -> bool:
    return value is None or type(value) is str


def _anything(value: object) -> bool:
    return True


def _whole_numbers(value: object) -> bool:
    return type(value) is list and all(map(_whole, value))


_Rules = dict[str, Callable[[object], bool]]
_META: _Rules = {
    "epoch|iter": _whole,
    "seed": lambda value: value is None or _whole(value),
    "time|exp_name|experiment_name|env_info": _text,
    r"\w+_version": _text,
    # plain values, as all are; mmengine compares those of a run that resumes with its own
    "dataset_meta|CLASSES|PALETTE": _anything,
    "hook_msgs": lambda value: type(value) is dict and not value,
}
_RUNTIME: _Rules = {
    "epoch|iter|max_epochs|max_iters|bad_losses": _whole,
    "seed": lambda value: value is None or _whole(value),
    "loop_stage|experiment_name|mmengine_version|launch": _text,
    "dataset_meta": _anything,
    "eta|best_score.*|(val|test)/.*": _number,
    "keep_ckpt_ids": _whole_numbers,
    "last_ckpt|interrupted_ckpt|best_ckpt.*": _name,
}
_PATHS = re.compile("last_ckpt|interrupted_ckpt|best_ckpt.*")


def keep_known(checkpoint: dict) -> list[str]:
    """Leave in ``meta`` and ``message_hub`` what a run needs, in place.

    Of the paths of other checkpoints the last part stays: where they are, the run that resumes
    knows, and nothing else is its to touch.

    Returns:
        What went; :data:`CONFIGS` always does.

    Raises:
        TypeError: one of the two is no dictionary.
    """
    went = []
    if checkpoint.get("meta") is not None:
        went += _keep(_dictionary(checkpoint, "meta"), _META, "meta")
    if checkpoint.get("message_hub") is None:
        return went
    hub = _dictionary(checkpoint, "message_hub")
    scalars, runtime, resumed = (
        _dictionary(hub, name) for name in ("log_scalars", "runtime_info", "resumed_keys")
    )
    went += _keep(scalars, {".*": lambda value: type(value) is HistoryBuffer}, "log_scalars")
    went += _keep(runtime, _RUNTIME, "runtime_info")
    went += _keep(resumed, {".*": lambda value: type(value) is bool}, "resumed_keys")
    for key in list(resumed):
        if key not in scalars and key not in runtime:
            del resumed[key]
    for key, value in runtime.items():
        if _PATHS.fullmatch(key) and value:
            runtime[key] = PurePath(value).name
    checkpoint["message_hub"] = dict(
        log_scalars=scalars, runtime_info=runtime, resumed_keys=resumed
    )
    return went


def _dictionary(holder: dict, name: str) -> dict:
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise TypeError(f"its {name} is a {type(found).__name__}")
    return found


def _keep(node: dict, rules: _Rules, name: str) -> list[str]:
    went = []
    for key, value in list(node.items()):
        fits = any(type(key) is str and re.fullmatch(r, key) and f(value) for r, f in rules.items())
        if not fits:
            del node[key]
            went.append(f"{name}.{key}")
    return went
