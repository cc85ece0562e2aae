"""The loss of a data set, as a metric."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS


@METRICS.register_module(force=True)
class CrossEntropy(BaseMetric):
    """Mean of -log(score of the true class), in nats, over the images evaluated.

    It is measured from MMPretrain's predictions (``pred_score`` after the softmax), so
    that it means the same for every head, whatever the head was trained with.

    It is logged as ``cross_entropy/mean``. A name with "loss" in it would not do:
    mmengine logs the mean of all epochs so far for such names.
    """

    default_prefix = "cross_entropy"

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep each sample's score (C,) of its ``gt_label`` (1,)."""
        for sample in data_samples:
            score = sample["pred_score"][sample["gt_label"].item()].double()
            # a softmax that has underflowed to 0 counts as the smallest number there is
            self.results.append(-score.clamp(min=torch.finfo(torch.float32).tiny).log().item())

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """``mean``, over all processes' images."""
        return dict(mean=sum(results) / len(results))
