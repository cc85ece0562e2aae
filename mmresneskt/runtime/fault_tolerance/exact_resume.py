"""Resume so that nothing differs from the run that was not interrupted."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import EarlyStoppingHook, EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from .hooks import hooks_of
from .positions import Ahead, PlacedBatches
from .random_state import random_state, set_random_state

_LOADED = ("position", "random_states", "early_stopping")


class ExactResumeHook(Hook):
    """Restore the random state of every process and the position in the data.

    With the loader of :func:`by_position` and the states of :meth:`note` in its
    files. mmengine itself restores weights, optimizer, AMP's scaler, schedules and history; of
    its hooks EarlyStoppingHook alone has a state that it does not, which is restored here. On
    the CPU the losses and weights of a resumed run are then those of an uninterrupted one, to
    the bit, at the end of an epoch and within it, with any number of workers; on a GPU as far
    as its kernels are deterministic. Not exact: other numbers of processes or another batch
    size than before, within an accumulation of gradients, and what :func:`by_position` names.

    An evaluation leaves the random state of the training as it was, whether a resumed run has to
    make it up or not.
    """

    priority = "VERY_HIGH"  # before anything is saved or drawn

    def __init__(self) -> None:
        self._training = False
        self._loaded: dict = {}
        self._batches = 0  # of the current epoch that have been trained on
        self.evaluating = False  # with the weights that an EMAHook puts in the model's place
        self._outside: dict = {}
        self._progress: dict[str, int] = {}
        self._random_states: list[dict] = []

    def note(self, progress: dict | None) -> None:
        """Note what the next checkpoint holds; every process has to call it.

        Args:
            progress: how many epochs (``epoch``) and iterations (``iter``) are finished.
        """
        self._progress = dict(progress or {})
        # by rank; of the training, whatever goes on in between
        loaded = self._loaded.get("random_states")
        self._random_states = loaded or all_gather_object(self._outside or random_state())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        # FlexibleRunner puts its own numbers there, one too many after an evaluation
        checkpoint["meta"].update(self._progress)
        checkpoint["random_states"] = self._random_states
        checkpoint["early_stopping"] = [
            dict(wait_count=hook.wait_count, best_score=float(hook.best_score))
            for hook in hooks_of(runner, EarlyStoppingHook)
        ]
        batches = runner.train_dataloader.batch_sampler
        if isinstance(batches, PlacedBatches):  # a stream has no length
            length = len(runner.train_dataloader)
            checkpoint["position"] = dict(batches=self._batches, batches_per_epoch=length)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not self._training:  # else it is a rollback, which takes weights alone
            self._loaded = {k: checkpoint.get(k) for k in _LOADED}
            self._loaded["averaged"] = "ema_state_dict" in checkpoint

    def before_train(self, runner: Runner) -> None:
        self._training = True
        if not runner.iter:  # weights alone have been loaded
            self._loaded = {}
        if self._loaded.get("averaged") and not hooks_of(runner, EMAHook):
            self._warn("the weights are the averages of an EMAHook, which the config has not")
        stopping = self._loaded.get("early_stopping") or []
        for hook, state in zip(hooks_of(runner, EarlyStoppingHook), stopping):
            hook.wait_count, hook.best_score = int(state["wait_count"]), float(state["best_score"])

    def before_train_epoch(self, runner: Runner) -> None:
        self._batches = 0
        batches = runner.train_dataloader.batch_sampler
        if isinstance(batches, PlacedBatches):
            if batches.endless:
                self._go_ahead(runner, batches)
            else:
                self._batches = self._start(runner)
                batches.epoch, batches.start = runner.epoch, self._batches
        self.restore_random_state(runner)
        self._loaded = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, *_: Any, **__: Any) -> None:
        self._batches += 1

    def after_train_epoch(self, runner: Runner) -> None:
        self._batches = 0

    def before_val(self, runner: Runner) -> None:
        self._outside, self.evaluating = random_state(), True

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self.evaluating = False

    def after_val(self, runner: Runner) -> None:
        set_random_state(self._outside)
        self._outside = {}

    def restore_random_state(self, runner: Runner) -> None:
        """Bring the generators to where they were when the checkpoint was written."""
        states = self._loaded.get("random_states")
        if states and len(states) == runner.world_size:
            set_random_state(states[get_rank()])
        elif states:
            self._warn(f"{len(states)} processes had a random state, {runner.world_size} run")

    def starts_within_epoch(self) -> bool:
        """Whether the checkpoint that was loaded was written in the middle of an epoch."""
        return bool((self._loaded.get("position") or {}).get("batches"))

    def _start(self, runner: Runner) -> int:
        position = self._loaded.get("position") or {}
        done, length = position.get("batches", 0), position.get("batches_per_epoch")
        if done and length != len(runner.train_dataloader):
            self._warn(f"an epoch had {length} batches; this one begins anew")
            return 0
        return done

    @staticmethod
    def _go_ahead(runner: Runner, batches: PlacedBatches) -> None:
        loop = runner.train_loop
        empty = max(runner.iter - batches.drawn, 0)
        if empty:
            batches.start = runner.iter
            loop.dataloader_iterator = Ahead(loop.dataloader_iterator, empty)

    @staticmethod
    def _warn(what: str) -> None:
        message = f"{what}: the run goes on, but not to the bit as without the interruption"
        print_log(message, logger="current", level=logging.WARNING)
