"""Evaluate on the images trained on as well as on those held out."""

from __future__ import annotations

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook, IterTimerHook
from mmengine.logging import print_log
from mmengine.registry import LOOPS
from mmengine.runner import Runner, ValLoop
from mmengine.runner.amp import autocast
from torch.utils.data import DataLoader

from mmresneskt.runtime.fault_tolerance.hooks import hooks_of, restore_weights


@LOOPS.register_module(force=True)
class TrainAndTestLoop(ValLoop):
    """mmengine's validation, run on the training set first.

    Both sets pass the same weights in evaluation mode under the transform of their own
    dataset's config, so that their accuracies and losses can be compared (the paper's
    figures 5 and 6), which the loss logged while training cannot: it belongs to weights
    that were still moving.

    Args:
        runner, dataloader, evaluator, fp16: as in mmengine's ValLoop.
        train_dataloader: config of a loader over the training images. Its metrics are
            logged with the prefix ``train/``; those of ``dataloader`` keep their names.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        train_dataloader: dict,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.train_dataloader = runner.build_dataloader(train_dataloader, seed=runner.seed)

        runner.register_hook(_TrainFirst(self))

    def evaluate_train(self) -> None:
        """Evaluate the training images; the metrics of both sets are logged together."""
        for name, value in self._metrics_of_train().items():
            # mmengine logs whatever is here together with the metrics of the validation
            self.runner.message_hub.update_scalar(f"val/train/{name}", value)

    @torch.no_grad()
    def _metrics_of_train(self) -> dict[str, float]:
        # without hooks: they would take it for the validation
        size = len(self.train_dataloader.dataset)
        print_log(f"Evaluating the {size} training images", logger="current")
        self.runner.model.eval()
        for batch in self.train_dataloader:
            with autocast(enabled=self.fp16):
                outputs = self.runner.model.val_step(batch)
            self.evaluator.process(data_samples=outputs, data_batch=batch)
        return self.evaluator.evaluate(size)


class _TrainFirst(Hook):
    """Begin the validation with the training images.

    That is after the other hooks have made ready for it: EMAHook has put the averaged weights in
    the model, buffers are the same in all processes, and the random state of the training, which
    it gets back afterwards, has been noted.
    """

    priority = "LOWEST"

    def __init__(self, loop: TrainAndTestLoop) -> None:
        self._loop = loop

    def before_val_epoch(self, runner: Runner) -> None:
        try:
            self._loop.evaluate_train()
        except BaseException:
            restore_weights(runner)
            raise
        for hook in hooks_of(runner, IterTimerHook):  # its clock starts anew
            hook.before_val_epoch(runner)
