"""What a run's hooks and loops are."""

from __future__ import annotations

from typing import TypeVar

from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

_Kind = TypeVar("_Kind", bound=Hook)


def hooks_of(runner: Runner, kind: type[_Kind]) -> list[_Kind]:
    """The hooks of a class, subclasses included, in the order of their calls."""
    return [hook for hook in runner.hooks if isinstance(hook, kind)]


def restore_weights(runner: Runner) -> None:
    """Give the model its own weights back, in the middle of an evaluation of averaged ones."""
    for hook in hooks_of(runner, EMAHook):
        if getattr(hook, "evaluate_on_ema", True):  # MMPretrain's may leave them as they are
            EMAHook.after_val_epoch(hook, runner)


def trains_by_epoch(runner: Runner) -> bool:
    """Whether the training loop counts epochs; IterBasedTrainLoop's one epoch is the whole run."""
    return hasattr(runner.train_loop, "run_epoch")
