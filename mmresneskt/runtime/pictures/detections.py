"""Detections beside the ground truth, several images in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.model import BaseModel

from ..decoding import read_image
from .boxes import draw_boxes


def draw_detections(
    model: BaseModel,
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
        image = read_image(info["img_path"])[..., ::-1]
        truth = info["instances"]
        labels = [box["bbox_label"] for box in truth]
        texts = [classes[label] for label in labels]
        drawn = draw_boxes(image, [box["bbox"] for box in truth], labels, texts)
        _show(axes[0, column], drawn, "ground truth")
        found = result[result.scores >= score_thr]
        texts = [f"{classes[n]} {score:.2f}" for n, score in zip(found.labels, found.scores)]
        _show(axes[1, column], draw_boxes(image, found.bboxes, found.labels, texts), "detected")
    model.train(training)
    out_file = Path(out_file)
    out_file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_file, dpi=100)
    return out_file


def _show(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.axis("off")
