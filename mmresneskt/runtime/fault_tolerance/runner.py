"""mmengine's runners, made to survive."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.hooks import CheckpointHook, Hook, LoggerHook
from mmengine.registry import HOOKS, LOOPS
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from .checkpoint_hook import SafeCheckpointHook
from .due_evaluation import DueEvaluationHook
from .exact_resume import ExactResumeHook
from .hooks import hooks_of
from .logger_hook import OneWriterLoggerHook
from .losses import BadLossHook
from .positions import by_position
from .signals import StopOnSignalHook
from .whole_checkpoint import save_whole

_EXCHANGED = {CheckpointHook: SafeCheckpointHook, LoggerHook: OneWriterLoggerHook}
_Base: Any = object  # whose place a runner has in the class that is made


@functools.cache
def fault_tolerant(runner: type) -> type[Any]:
    """A runner class (Runner, FlexibleRunner or one's own) whose runs survive.

    What is exchanged is exchanged here, when the run is built: the config that mmengine keeps
    in the work folder stays the user's.
    """
    return type(f"FaultTolerant{runner.__name__}", (_FaultTolerant, runner), {})


@contextlib.contextmanager
def handle_failures(
    runner: Runner, leave: Callable[[int], Any], on_bad_loss: str | None = None
) -> Iterator[None]:
    """Register the hooks that a run survives by; signals are handled until the context ends.

    Args:
        leave: see :class:`StopOnSignalHook`.
        on_bad_loss: the policy of :class:`BadLossHook`; None: the config's, or ``stop``.
    """
    configured = hooks_of(runner, BadLossHook)
    for hook in configured:
        hook.policy = on_bad_loss or hook.policy
    if not configured:
        runner.register_hook(BadLossHook(on_bad_loss or "stop"))
    signals = StopOnSignalHook(leave)
    try:
        runner.register_hook(signals)
        yield
    finally:
        signals.restore()


class _FaultTolerant(_Base):
    exact_resume: ExactResumeHook | None = None  # of a run that trains
    _endless: bool | None = None  # while the training loop is built: whether its data has no end

    def register_hook(self, hook: Hook | dict, priority: str | int | None = None) -> None:
        if isinstance(hook, dict):
            kind = hook["type"]
            hook = {**hook, "type": _EXCHANGED.get(_class_of(kind), kind)}
        super().register_hook(hook, priority)

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **options: Any):
        """As the runner's own; in every process, and the file whole or not at all."""
        if self.exact_resume is not None:
            self.exact_resume.note(options.get("meta"))
        save = super().save_checkpoint
        save_whole(lambda name: save(out_dir, name, *args, **options), out_dir, filename)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        if not isinstance(loop, dict):
            return super().build_train_loop(loop)
        self.exact_resume = ExactResumeHook()
        self.register_hook(self.exact_resume)
        self.register_hook(DueEvaluationHook(self.exact_resume))
        self._endless = _is_by_iteration(loop)
        try:
            return super().build_train_loop(loop)
        finally:
            self._endless = None

    def build_dataloader(
        self, dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        loader = super().build_dataloader(dataloader, seed, diff_rank_seed)
        if self._endless is None or seed is None:
            return loader
        return by_position(loader, seed, self._endless)


def _is_by_iteration(loop: dict) -> bool:
    if "type" not in loop:
        return not loop["by_epoch"]
    kind = LOOPS.get(loop["type"]) if isinstance(loop["type"], str) else loop["type"]
    return isinstance(kind, type) and issubclass(kind, IterBasedTrainLoop)


def _class_of(kind: str | type) -> type | None:
    return HOOKS.get(kind) if isinstance(kind, str) else kind
