"""The evaluation that a killed run owes."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from .exact_resume import ExactResumeHook
from .hooks import trains_by_epoch


class DueEvaluationHook(Hook):
    """Begin a resumed run with the evaluation that was due when its checkpoint was written.

    A checkpoint is written before the evaluation of its epoch, so that it knows neither its best
    score nor its best file, nor what EarlyStoppingHook and ReduceOnPlateauLR make of it. The
    killed run may have finished that evaluation: made again, it comes to the same.
    """

    priority = "LOWEST"  # the other hooks are ready

    def __init__(self, resume: ExactResumeHook) -> None:
        self._resume = resume

    def before_train(self, runner: Runner) -> None:
        loop = runner.train_loop
        known = isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop))
        if not runner.iter or runner.val_loop is None or not known:
            return
        by_epoch = trains_by_epoch(runner)
        if by_epoch and self._resume.starts_within_epoch():
            return
        done, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
        loop._decide_current_val_interval()
        if done >= loop.val_begin and (done % loop.val_interval == 0 or done == last):
            runner.logger.info("The evaluation that the checkpoint was written before comes first")
            self._resume.restore_random_state(runner)
            runner.val_loop.run()
