"""Evaluate on the images trained on as well as on those held out."""

from __future__ import annotations

import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import LOOPS
from mmengine.runner import Runner, ValLoop
from torch.utils.data import DataLoader


@LOOPS.register_module(force=True)
class TrainAndTestLoop(ValLoop):
    """mmengine's validation, run on the training set first.

    Both sets pass the same weights in evaluation mode under the transform of their own
    dataset's config, so that their accuracies and losses can be compared (the paper's
    figures 5 and 6), which the loss logged while training cannot: it belongs to weights
    that were still moving.

    Args:
        runner, dataloader, evaluator, fp16: as in mmengine's ValLoop.
        train_dataloader: config of a loader over the training images. Its metrics get
            the prefix ``train/``; those of ``dataloader`` keep their names.
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

    def run(self) -> dict:
        """Evaluate both; hooks see one validation, with the metrics of both."""
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        self.runner.model.eval()
        on_train = self._evaluate_train()
        for index, batch in enumerate(self.dataloader):
            self.run_iter(index, batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        metrics.update({f"train/{name}": value for name, value in on_train.items()})
        self.runner.call_hook("after_val_epoch", metrics=metrics)
        self.runner.call_hook("after_val")
        return metrics

    @torch.no_grad()
    def _evaluate_train(self) -> dict:
        # without the iteration hooks, which count on the length of val_dataloader
        device = next(self.runner.model.parameters()).device.type
        for batch in self.train_dataloader:
            with torch.autocast(device, enabled=self.fp16):
                outputs = self.runner.model.val_step(batch)
            self.evaluator.process(data_samples=outputs, data_batch=batch)
        return self.evaluator.evaluate(len(self.train_dataloader.dataset))
