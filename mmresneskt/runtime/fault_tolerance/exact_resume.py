"""Resume so that nothing differs from the run that was not interrupted."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from .positions import Ahead, PlacedBatches
from .random_state import random_state, set_random_state


class ExactResumeHook(Hook):
    """Restore the random state of every process and the position in the data.

    With the loader of :func:`by_position` and the states of :meth:`note` in its
    files. mmengine itself restores weights, optimizer, AMP's scaler, schedules and history. On
    the CPU the losses and weights of a resumed run are then those of an uninterrupted one, to
    the bit, at the end of an epoch and within it, with any number of workers; on a GPU as far
    as its kernels are deterministic. Not exact: other numbers of processes or another batch
    size than before, within an accumulation of gradients, and what :func:`by_position` names.

    An evaluation leaves the random state of the training as it was: a resumed run does not
    repeat the one that the checkpoint was followed by.
    """

    priority = "VERY_HIGH"  # before anything is saved or drawn

    def __init__(self) -> None:
        self._training = False
        self._loaded: dict = {}
        self._batches = 0  # of the current epoch that have been trained on
        self._outside: dict = {}
        self._progress: dict[str, int] = {}
        self._random_states: list[dict] = []

    def note(self, progress: dict | None) -> None:
        """Note what the next checkpoint holds; every process has to call it.

        Args:
            progress: how many epochs (``epoch``) and iterations (``iter``) are finished.
        """
        self._progress = dict(progress or {})
        self._random_states = all_gather_object(random_state())  # by rank

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        # FlexibleRunner puts its own numbers there, one too many after an evaluation
        checkpoint["meta"].update(self._progress)
        checkpoint["random_states"] = self._random_states
        batches = runner.train_dataloader.batch_sampler
        if isinstance(batches, PlacedBatches):  # a stream has no length
            length = len(runner.train_dataloader)
            checkpoint["position"] = dict(batches=self._batches, batches_per_epoch=length)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not self._training:  # else it is a rollback, which takes weights alone
            self._loaded = {k: checkpoint.get(k) for k in ("position", "random_states")}

    def before_train(self, runner: Runner) -> None:
        self._training = True
        if not runner.iter:  # weights alone have been loaded
            self._loaded = {}

    def before_train_epoch(self, runner: Runner) -> None:
        self._batches = 0
        batches = runner.train_dataloader.batch_sampler
        if isinstance(batches, PlacedBatches):
            if batches.endless:
                self._go_ahead(runner, batches)
            else:
                self._batches = self._start(runner)
                batches.epoch, batches.start = runner.epoch, self._batches
        states = self._loaded.get("random_states")
        if states:
            if len(states) == runner.world_size:
                set_random_state(states[get_rank()])
            else:
                self._warn(f"{len(states)} processes had a random state, {runner.world_size} run")
        self._loaded = {}

    def after_train_iter(self, runner: Runner, batch_idx: int, *_: Any, **__: Any) -> None:
        self._batches += 1

    def after_train_epoch(self, runner: Runner) -> None:
        self._batches = 0

    def before_val(self, runner: Runner) -> None:
        self._outside = random_state()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if self._outside:
            set_random_state(self._outside)

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
