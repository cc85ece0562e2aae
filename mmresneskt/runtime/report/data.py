"""What is in the data sets of a run: images, classes, sizes of boxes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config
from torch.utils.data import Dataset

from ..broken_images import infos_of
from ..errors import explain
from ..preflight.datasets import built
from .collect import label_of, truth_of
from .page import Section, png

SMALL, MEDIUM = 32, 96
"""COCO's sizes: the roots of the areas up to which a box is small, and medium, in pixels."""
_SIZES = ("small", "medium", "large")


@dataclass
class Contents:
    """Of a data set.

    Attributes:
        empty: images without an object, 0 where images have a class as a whole.
        objects: by class; images by class where they have one as a whole, none where each pixel
            has one.
        sides: (N, 3), width and height of each box in pixels, and its class.
    """

    images: int
    empty: int
    objects: Counter[int]
    sides: np.ndarray
    maps: int = 0
    """Images of which each pixel has a class."""


def data_section(cfg: Config, evaluated: Dataset, names: list[str]) -> Section:
    """Count what is in the config's training set and in the set that is evaluated.

    If the training set cannot be read, the reason is said.
    """
    section = Section("Data")
    found: dict[str, Contents] = {}
    try:
        if cfg.get("train_dataloader"):
            found["training"] = _contents(built(cfg, cfg.train_dataloader.dataset))
    except Exception as error:  # whatever a data set makes of its files
        section.notes.append(f"The training set cannot be read: {explain(error)}")
    found["evaluation"] = _contents(evaluated)
    detects = any(len(one.sides) for one in found.values())
    for what, one in found.items():
        section.notes.append(_describe(what, one))
    if any(one.maps for one in found.values()):
        return section
    unit = "objects" if detects else "images"
    section.header = ["class", *(f"{unit}, {what}" for what in found)]
    section.rows = [
        [name, *(one.objects[label] for one in found.values())] for label, name in enumerate(names)
    ]
    if detects:
        section.header += [f"median box, {what}" for what in found]
        for label, row in enumerate(section.rows):
            row += [_median(one, label) for one in found.values()]
        text = "Sizes of the boxes of both sets"
        section.figures.append((text, png(_draw_sizes(found))))
    return section


def _contents(dataset: Dataset) -> Contents:
    infos = list(infos_of(dataset))
    if not any("instances" in info for info in infos):
        labels = [label for info in infos if (label := label_of(info)) is not None]
        maps = sum(bool(info.get("seg_map_path")) for info in infos)
        return Contents(len(infos), 0, Counter(labels), np.zeros((0, 3)), maps)
    truths = [truth_of(info) for info in infos]
    boxes = [np.c_[t.boxes[:, 2:] - t.boxes[:, :2], t.labels] for t in truths]
    sides = np.concatenate([*boxes, np.zeros((0, 3))])
    empty = sum(not len(truth.labels) for truth in truths)
    return Contents(len(infos), empty, Counter(sides[:, 2].astype(int).tolist()), sides)


def _describe(what: str, one: Contents) -> str:
    text = f"The {what} set: {one.images} images"
    if one.maps:
        return f"{text}, {one.maps} of them with a class for each pixel."
    if not len(one.sides):
        return f"{text}." if one.objects else f"{text}, no ground truth."
    area = np.sqrt(one.sides[:, 0] * one.sides[:, 1])
    counts = np.bincount(np.digitize(area, (SMALL, MEDIUM)), minlength=3)
    sizes = ", ".join(f"{count} {size}" for size, count in zip(_SIZES, counts))
    without = f", {one.empty} of them without an object" if one.empty else ""
    return f"{text}{without}; {len(one.sides)} objects: {sizes}."


def _median(one: Contents, label: int) -> str | None:
    sides = one.sides[one.sides[:, 2] == label, :2]
    if not len(sides):
        return None
    width, height = np.median(sides, axis=0)
    return f"{width:.0f} × {height:.0f}"


def _draw_sizes(found: dict[str, Contents]) -> Figure:
    """Shares, so that sets of different sizes can be compared."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = {what: one.sides for what, one in found.items() if len(one.sides)}
    sides = np.concatenate(list(shown.values()))
    edges = np.linspace(0, np.sqrt(sides[:, 0] * sides[:, 1]).max() * 1.02, 31)
    ratios = np.geomspace(1 / 8, 8, 31)
    for what, one in shown.items():
        share = np.full(len(one), 100 / len(one))
        style: dict = dict(weights=share, histtype="stepfilled", alpha=0.45, label=what)
        left.hist(np.sqrt(one[:, 0] * one[:, 1]), edges, **style)
        ratio = one[:, 0] / np.maximum(one[:, 1], 1e-9)
        right.hist(np.clip(ratio, ratios[0], ratios[-1]), ratios, **style)
    for side in (SMALL, MEDIUM):
        if side < edges[-1]:
            left.axvline(side, color="0.4", lw=1, ls=":")
    left.set(xlabel="size: root of the area, pixels; dotted: 32 and 96", ylabel="% of the boxes")
    right.set(xlabel="width / height", ylabel="% of the boxes", xscale="log")
    ticks = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1: "1", 2: "2", 4: "4", 8: "8"}
    right.set_xticks(list(ticks), list(ticks.values()))
    right.minorticks_off()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure
