"""Run a recipe for another number of epochs, or in mixed precision."""

from __future__ import annotations

import math

from mmengine.config import Config

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.runner import use_amp

_POINTS = ("begin", "end", "T_max")
_LENGTHS = ("step_size", "total_steps", "periods", "restart_weights")


def adapted(cfg: Config, epochs: int | None, amp: bool) -> Config:
    """The config itself, told to train for ``epochs`` if they are given, and in mixed precision.

    Raises:
        UserError: see :func:`set_epochs`.
    """
    if epochs:
        set_epochs(cfg, epochs)
    if amp:
        use_amp(cfg)
    return cfg


def set_epochs(cfg: Config, epochs: int) -> None:
    """Train for ``epochs``, with the learning rate's schedule stretched or shrunk to them.

    The paper's "1e-3 to epoch 50, then 1e-4" of 100 epochs becomes 10 and 10 of 20.
    Phases counted in iterations stay as long as they are; those that shrink to nothing
    are left out.

    Raises:
        UserError: a scheduler has a length in epochs that cannot be scaled.
    """
    ratio = epochs / cfg.train_cfg.max_epochs
    schedulers = cfg.get("param_scheduler") or []
    kept = []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        if not scheduler.get("by_epoch", True):
            kept.append(scheduler)
            continue
        for key in _LENGTHS:
            if key in scheduler:
                raise UserError(
                    f"--epochs: {scheduler.type}.{key} of {cfg.filename} cannot be scaled; "
                    f"write the schedule for {epochs} epochs into a recipe"
                )
        for key in _POINTS:
            if scheduler.get(key) is not None and scheduler[key] != math.inf:
                scheduler[key] = _scaled(scheduler[key], ratio)
        if "milestones" in scheduler:
            scheduler.milestones = [_scaled(m, ratio) for m in scheduler.milestones]
        if _is_long(scheduler, epochs):
            kept.append(scheduler)
    cfg.param_scheduler = kept
    cfg.train_cfg.max_epochs = epochs


def _scaled(value: int, ratio: float) -> int:
    return math.floor(value * ratio + 0.5)


def _is_long(scheduler: dict, epochs: int) -> bool:
    end = scheduler.get("end")
    end = epochs if end is None else end
    return end > scheduler.get("begin", 0) and scheduler.get("T_max") != 0
