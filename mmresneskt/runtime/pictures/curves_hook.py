"""Keep a picture of a run's curves beside its logs."""

from __future__ import annotations

import logging

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from .curves import plot_curves


class CurvesHook(Hook):
    """Draw ``curves.png`` into the work folder after every evaluation and at the end."""

    priority = "LOWEST"  # after LoggerHook has written what is drawn
    _drawn: int | None = None  # the iteration of the picture

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self._draw(runner)

    def after_train(self, runner: Runner) -> None:
        self._draw(runner)

    def _draw(self, runner: Runner) -> None:
        if not is_main_process() or runner.iter == self._drawn:
            return
        self._drawn = runner.iter
        try:
            plot_curves(runner.work_dir, f"{runner.work_dir}/curves.png")
        except Exception as error:  # a picture must not end a training
            print_log(f"curves.png: {error}", logger="current", level=logging.WARNING)
