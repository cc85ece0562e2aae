"""The figures of a detector: average precision, confusion, misses and false alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..building import quiet
from .collect import Boxes, Collected, Detected
from .figures import confusion_figure, confusion_note
from .matching import OVERLAP, SCORE, confusion
from .mistakes import mistake_sections, prediction_section
from .page import Section, png, short

_CURVES = 40


def detection_sections(collected: Collected) -> tuple[dict[str, object], list[Section]]:
    """What comes first, and the sections; of data without ground truth predictions alone."""
    images, names = collected.detected, collected.names
    counts = Counter[int]()
    for image in images:
        counts.update(image.truth.labels[~image.truth.ignored].tolist())
    if not counts:
        return {}, [prediction_section(images, names)]
    precision = average_precision(images, len(names))
    rows = [[name, counts[label], *_row(precision, [label])] for label, name in enumerate(names)]
    everything = ["all", sum(counts.values()), *_row(precision, list(range(len(names))))]
    header = ["class", "objects", "AP", "AP50", "AP75", "AP small", "AP medium", "AP large"]
    table = Section("Average precision", header=header, rows=[everything, *rows])
    table.notes = [
        "COCO's average precision, by pycocotools: over the overlaps from 0.50 to 0.95, at 0.50 "
        "and at 0.75, and of boxes of up to 32 × 32 pixels, up to 96 × 96, and larger. A dash: "
        "there is no such object."
    ]
    curves = Section("Precision over recall")
    drawn = [label for label, _ in counts.most_common(_CURVES)]
    curves.notes = ["At an overlap of 0.50, with the area under each curve (AP50)."]
    if len(counts) > len(drawn):
        curves.notes += [f"Drawn are the {_CURVES} classes with the most objects."]
    figure = _draw_curves(precision, sorted(drawn), names)
    curves.figures = [("Precision over recall of each class", png(figure))]
    tiles: dict[str, object] = {
        "AP": everything[2],
        "AP50": everything[3],
        "objects": everything[1],
    }
    mistakes = mistake_sections(images, names)
    return tiles, [table, curves, _confusion(images, names), *mistakes]


def average_precision(images: Sequence[Detected], classes: int) -> np.ndarray:
    """pycocotools' precision, (overlaps, recalls, classes, sizes); -1 where there is no object.

    Overlaps are 0.50, 0.55 to 0.95, recalls 0, 0.01 to 1, sizes all, small, medium and large.
    """
    with quiet():
        truth = _coco([image.truth for image in images], classes)
        found = _coco([image.found for image in images], classes)
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., -1]


def _coco(images: list[Boxes], classes: int) -> COCO:
    annotations: list[dict] = []
    for number, image in enumerate(images):
        sides = image.boxes[:, 2:] - image.boxes[:, :2]
        boxes = np.c_[image.boxes[:, :2], sides].tolist()
        for box, label, score, ignored in zip(boxes, image.labels, image.scores, image.ignored):
            entry = dict(image_id=number, category_id=int(label), bbox=box, score=float(score))
            entry.update(area=box[2] * box[3], iscrowd=int(ignored), id=len(annotations) + 1)
            annotations.append(entry)
    coco = COCO()
    coco.dataset = dict(
        images=[dict(id=number) for number in range(len(images))],
        categories=[dict(id=label) for label in range(classes)],
        annotations=annotations,
    )
    coco.createIndex()
    return coco


def _row(precision: np.ndarray, labels: list[int]) -> list[float | None]:
    """AP, AP50, AP75, and AP of small, medium and large boxes."""
    of = precision[:, :, labels]
    return [
        *(_mean(part) for part in (of[..., 0], of[0, ..., 0], of[5, ..., 0])),
        *(_mean(of[..., size]) for size in (1, 2, 3)),
    ]


def _mean(values: np.ndarray) -> float | None:
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _draw_curves(precision: np.ndarray, labels: list[int], names: list[str]) -> Figure:
    columns = min(5, len(labels))
    rows = -(-len(labels) // columns)
    figure = Figure(figsize=(2.1 * columns + 0.4, 2.0 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    recalls = np.linspace(0, 1, precision.shape[1])
    for axes in grid.flat[len(labels) :]:
        axes.axis("off")
    for axes, label in zip(grid.flat, labels):
        curve = precision[0, :, label, 0]
        axes.plot(recalls, curve, lw=1.5)
        axes.fill_between(recalls, curve, alpha=0.15)
        axes.set_title(f"{short(names[label])}  {curve.mean():.2f}", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    figure.supxlabel("recall", fontsize=9)
    figure.supylabel("precision", fontsize=9)
    return figure


def _confusion(images: list[Detected], names: list[str]) -> Section:
    pairs = confusion(images, len(names))
    nothing = [len(names)]
    figure = confusion_figure(pairs, [*names, "nothing"], always=nothing)
    notes = [
        *confusion_note([*names, "nothing"], nothing),
        f"Boxes with a score of {SCORE} or more that overlap an object by {OVERLAP} or more, "
        f"counted as by MMDetection's confusion_matrix.py. In the row 'nothing' are boxes where "
        f"no object is, in the column objects on which no box of their class is.",
    ]
    return Section("Confusion matrix", notes, figures=[("Confusion matrix", png(figure))])
