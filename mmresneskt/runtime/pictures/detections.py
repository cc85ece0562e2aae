"""Detections beside the ground truth, several images in one picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.model import BaseModel

from ..decoding import read_image
from ..files import write_whole
from .boxes import class_name, draw_boxes, draw_found

_SURE = 0.5


def draw_detections(model: BaseModel, dataset: BaseDataset, out_file: Path) -> Path:
    """Write one PNG of the first six images, ground truth above, sure detections below.

    Args:
        model: a detector of MMDetection, on any device.
        dataset: its test dataset; boxes in the pixels of the original images.
    """
    shown = min(6, len(dataset))
    figure = Figure(figsize=(3 * shown, 6.4), layout="constrained")
    axes = figure.subplots(2, shown, squeeze=False)
    training = model.training
    model.eval()
    for index in range(shown):
        info = dataset.get_data_info(index)
        with torch.no_grad():
            result = model.test_step(pseudo_collate([dataset[index]]))[0].pred_instances.cpu()
        image = read_image(info["img_path"])[..., ::-1]
        truth = info["instances"]
        labels = [box["bbox_label"] for box in truth]
        texts = [class_name(label, dataset.metainfo) for label in labels]
        drawn = draw_boxes(image, [box["bbox"] for box in truth], labels, texts)
        _show(axes[0, index], drawn, "ground truth")
        sure = result[result.scores >= _SURE]
        found = (sure.bboxes.numpy(), sure.scores.numpy(), sure.labels.numpy())
        _show(axes[1, index], draw_found(image, found, dataset.metainfo), "detected")
    model.train(training)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100, format="png")
    return write_whole(out_file, picture.getvalue())


def _show(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.axis("off")
