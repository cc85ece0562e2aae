"""Run a recipe for another number of epochs."""

from __future__ import annotations

from mmengine.config import Config

_POINTS = ("begin", "end", "T_max")


def set_epochs(cfg: Config, epochs: int) -> None:
    """Train for ``epochs``, with the learning rate's schedule stretched or shrunk to them.

    The paper's "1e-3 to epoch 50, then 1e-4" of 100 epochs becomes 10 and 10 of 20.
    Phases that shrink to nothing are left out.
    """
    ratio = epochs / cfg.train_cfg.max_epochs
    schedulers = cfg.get("param_scheduler") or []
    kept = []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        if not scheduler.get("by_epoch", True):
            kept.append(scheduler)
            continue
        for key in _POINTS:
            if key in scheduler:
                scheduler[key] = round(scheduler[key] * ratio)
        if "milestones" in scheduler:
            scheduler.milestones = [round(m * ratio) for m in scheduler.milestones]
        length = scheduler.get("end", epochs) - scheduler.get("begin", 0)
        if length > 0 and scheduler.get("T_max", 1) > 0:
            kept.append(scheduler)
    cfg.param_scheduler = kept
    cfg.train_cfg.max_epochs = epochs
