"""Which boxes are on which objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou

from .collect import Boxes, Detected

SCORE = 0.3
"""Of a box that counts as found, where a limit is needed: as in MMDetection's confusion matrix."""
OVERLAP = 0.5
"""Intersection over union from which a box is on an object."""


def on_object(found: Boxes, truth: Boxes) -> np.ndarray:
    """(found, true), whether a box is on an object."""
    return (box_iou(torch.tensor(found.boxes), torch.tensor(truth.boxes)) >= OVERLAP).numpy()


def certain(image: Detected) -> Boxes:
    """The boxes that count as found."""
    return image.found.of(image.found.scores >= SCORE)


def confusion(images: Sequence[Detected], classes: int) -> Counter[tuple[int, int]]:
    """How often an object of a class is found as one of another, as MMDetection counts it.

    ``classes`` stands for no object, as the first of a pair, and for not found, as the second.
    An object on which there are boxes of two classes counts with each; it is not found where
    none is of its own. Objects that need not be found do not count, nor do boxes on them.
    """
    pairs = Counter[tuple[int, int]]()
    for image in images:
        found = certain(image)
        on = on_object(found, image.truth)
        counts = on[:, ~image.truth.ignored]
        truth = image.truth.labels[~image.truth.ignored]
        boxes, objects = np.nonzero(counts)
        pairs.update(zip(truth[objects].tolist(), found.labels[boxes].tolist()))
        nowhere = found.labels[~on.any(1)]
        pairs.update((classes, label) for label in nowhere.tolist())
        own = counts & (found.labels[:, None] == truth)
        pairs.update((label, classes) for label in truth[~own.any(0)].tolist())
    return pairs
