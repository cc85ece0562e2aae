"""Detections beside the ground truth, several images in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmengine.dataset import BaseDataset, pseudo_collate
from torch import nn


def draw_detections(
    model: nn.Module,
    dataset: BaseDataset,
    out_file: str | Path,
    indices: Sequence[int] | None = None,
    score_thr: float = 0.5,
) -> Path:
    """Write one picture: ground truth above, detections with their scores below.

    Args:
        model: a detector of MMDetection, on any device.
        dataset: its test dataset; boxes in the pixels of the original images.
        indices: which images; the first six, or all of fewer, where it is not said.
        score_thr: detections under this score are not drawn.
    """
    classes = dataset.metainfo["classes"]
    if indices is None:
        indices = range(min(6, len(dataset)))
    figure = Figure(figsize=(3 * len(indices), 6.4), layout="constrained")
    axes = figure.subplots(2, len(indices), squeeze=False)
    training = model.training
    model.eval()
    for column, index in enumerate(indices):
        info = dataset.get_data_info(index)
        with torch.no_grad():
            result = model.test_step(pseudo_collate([dataset[index]]))[0].pred_instances.cpu()
        image = cv2.imread(info["img_path"])[..., ::-1]
        truth = [(b["bbox"], classes[b["bbox_label"]]) for b in info["instances"]]
        found = [
            (box.tolist(), f"{classes[label]} {score:.2f}")
            for box, label, score in zip(result.bboxes, result.labels, result.scores)
            if score >= score_thr
        ]
        _draw(axes[0, column], image, truth, "lime", "ground truth")
        _draw(axes[1, column], image, found, "orange", "detected")
    model.train(training)
    out_file = Path(out_file)
    out_file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_file, dpi=100)
    return out_file


def _draw(axes: Axes, image, boxes: list[tuple[Sequence[float], str]], color: str, title: str):
    axes.imshow(image)
    axes.set_title(title, fontsize=9)
    axes.axis("off")
    for (x1, y1, x2, y2), text in boxes:
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=color, lw=1.5))
        axes.text(
            *(x1, y1 - 1, text),
            fontsize=7,
            va="bottom",
            clip_on=True,
            bbox=dict(facecolor=color, alpha=0.8, pad=0.8, lw=0),
        )
