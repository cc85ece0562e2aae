"""What a model says about the images of a data set, beside what is true."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmengine import ProgressBar
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ..broken_images import guard
from ..errors import UserError, explain, printable

_TOP = 5


@dataclass
class Boxes:
    """Objects in an image.

    Attributes:
        boxes: (N, 4), left, top, right, bottom in pixels of the image.
        labels: (N,), number of the class.
        scores: (N,), of predictions; 1 of what is true.
        ignored: (N,), true objects that need not be found: crowds, difficult ones.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    ignored: np.ndarray

    def of(self, which: np.ndarray) -> Boxes:
        """Those of a mask, or of numbers."""
        return Boxes(*(v[which] for v in (self.boxes, self.labels, self.scores, self.ignored)))


@dataclass
class Detected:
    """An image with its objects, and what a detector has found in it."""

    path: str
    truth: Boxes
    found: Boxes


@dataclass
class Classified:
    """An image with its class, None where that is not known, and what a classifier says.

    Attributes:
        found: up to five classes, the most certain first.
        score: of the first.
    """

    path: str
    label: int | None
    found: list[int]
    score: float


@dataclass
class Collected:
    """All images of a data set.

    Attributes:
        dataset: itself.
        names: of the classes, each on one line.
        milliseconds: for an image, the median over the batches but the first; loading does not
            count, what the model does to normalise and to resize does.
        batch_size: of the loader.
        segmented: images of a segmentor.
        pixels: how many of them are of a class, the first, and found as another, the second.
    """

    dataset: Dataset
    names: list[str]
    milliseconds: float
    batch_size: int
    detected: list[Detected] = field(default_factory=list)
    classified: list[Classified] = field(default_factory=list)
    segmented: int = 0
    pixels: Counter[tuple[int, int]] = field(default_factory=Counter)


def collect(cfg: Config, part: str, model: BaseModel, classes: list) -> Collected:
    """Predict for every image of a part's data set.

    Args:
        part: "test" or "val".
        model: a detector, a classifier or a segmentor in eval mode, on its device.
        classes: names of the classes, where the data set has none.

    Raises:
        UserError: the data or an image cannot be read, or the model is none of these.
    """
    settings = cfg[f"{part}_dataloader"].copy()
    settings.pop("batch_sampler", None)
    settings.sampler = dict(type="DefaultSampler", shuffle=False)  # the order of the data set
    try:
        loader = Runner.build_dataloader(settings)
    except Exception as error:  # whatever a data set makes of its files
        raise UserError(f"{part}_dataloader: the data cannot be read: {explain(error)}") from error
    dataset = loader.dataset
    guard(dataset, None)
    if not len(dataset):
        raise UserError(f"{part}_dataloader: the data set has no image")
    names = classes_of(dataset) or [printable(name) for name in classes]
    collected = Collected(dataset, names, 0, loader.batch_size or 1)
    bar = ProgressBar(len(dataset), file=sys.stdout)
    times = []
    done = 0
    for data in loader:
        start = _now()
        with torch.no_grad():
            samples = model.test_step(data)
        times.append((_now() - start) / len(samples))
        for sample in samples:
            _add(collected, sample, dataset.get_data_info(done), type(model).__name__)
            done += 1
        bar.update(len(samples))
    print()
    collected.milliseconds = 1000 * statistics.median(times[1:] or times)
    _name_all(collected)
    return collected


def classes_of(dataset: Dataset) -> list[str]:
    """The names of its classes, each on one line."""
    metainfo = getattr(dataset, "metainfo", {})
    return [printable(name) for name in metainfo.get("classes") or ()]


def truth_of(info: dict) -> Boxes:
    """The objects of an image of a detection data set."""
    objects = [instance for instance in info.get("instances") or () if "bbox" in instance]
    return Boxes(
        np.array([one["bbox"] for one in objects], float).reshape(-1, 4),
        np.array([one["bbox_label"] for one in objects], int),
        np.ones(len(objects)),
        np.array([bool(one.get("ignore_flag")) for one in objects], bool),
    )


def label_of(info: dict) -> int | None:
    """The class of an image of a classification data set.

    Raises:
        UserError: it may have several.
    """
    label = info.get("gt_label")
    if label is None:
        return None
    if np.size(label) != 1 or isinstance(label, (list, tuple)):
        raise UserError("images of several classes each: there is no report for such data yet")
    return int(label)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _add(collected: Collected, sample: Any, info: dict, model: str) -> None:
    path = str(info.get("img_path") or "")
    if {"bboxes", "labels", "scores"} <= set(sample.get("pred_instances", {}).keys()):
        found = sample.pred_instances.cpu().numpy()
        if found.bboxes.shape[1] != 4:
            raise UserError(f"{model} gives turned boxes: there is no report of such a model")
        boxes = found.bboxes.astype(float).reshape(-1, 4)
        nothing = np.zeros(len(boxes), bool)
        values = Boxes(boxes, found.labels.astype(int), found.scores.astype(float), nothing)
        collected.detected.append(Detected(path, truth_of(info), values))
    elif getattr(sample.get("pred_score"), "ndim", 0) == 1:
        best = sample.pred_score.cpu().topk(min(_TOP, len(sample.pred_score)))
        image = Classified(path, label_of(info), best.indices.tolist(), float(best.values[0]))
        collected.classified.append(image)
    elif "pred_sem_seg" in sample:
        collected.segmented += 1
        if "gt_sem_seg" in sample:
            known = sample.gt_sem_seg.data.cpu() != getattr(collected.dataset, "ignore_index", 255)
            maps = (sample.gt_sem_seg.data.cpu()[known], sample.pred_sem_seg.data.cpu()[known])
            pairs, counts = torch.stack(maps).unique(dim=1, return_counts=True)
            for true, found, count in zip(*pairs.tolist(), counts.tolist()):
                collected.pixels[true, found] += count
    else:
        raise UserError(
            f"{model} gives neither boxes of classes, nor a class of an image or of its pixels: "
            f"there is no report of such a model"
        )


def _name_all(collected: Collected) -> None:
    """Give a name to classes beyond those that have one."""
    labels = [-1, *(label for pair in collected.pixels for label in pair)]
    for image in collected.detected:
        labels += [*image.truth.labels, *image.found.labels]
    for one in collected.classified:
        labels += [*one.found, -1 if one.label is None else one.label]
    collected.names += [f"class {n}" for n in range(len(collected.names), max(labels) + 1)]
