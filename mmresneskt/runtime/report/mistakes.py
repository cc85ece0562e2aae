"""Pictures of what a detector misses, and of what it sees where nothing of the kind is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from ..decoding import CorruptImage, read_image
from ..errors import printable
from ..pictures.boxes import draw_boxes
from .collect import Boxes, Detected
from .matching import OVERLAP, SCORE, certain, on_object
from .page import Picture, Section, jpeg

_WORST = 6
"""Images in a section."""
_SIDE = 720
"""Pixels of the longer side of a picture, at most."""


class Mistake(NamedTuple):
    """In an image.

    Attributes:
        rank: the larger, the worse.
        marked: which objects, or boxes, are meant: all such in the image.
        caption: of the worst one.
    """

    rank: tuple[float, float]
    image: Detected
    marked: np.ndarray
    caption: str


def mistake_sections(images: Sequence[Detected], names: list[str]) -> list[Section]:
    """The images with the worst misses, then those with the worst false alarms."""
    misses = [m for image in images if (m := _miss(image, names))]
    alarms = [m for image in images if (m := _alarm(image, names))]
    sections = [
        Section("Worst misses", [f"In {len(misses)} of {len(images)} images an object is missed."]),
        Section(
            "Worst false alarms",
            [f"In {len(alarms)} of {len(images)} images a box is where no object of its class is."],
        ),
    ]
    for section, found, mark in zip(sections, (misses, alarms), ("missed", "false")):
        found.sort(key=lambda mistake: mistake.rank, reverse=True)
        if found:
            section.notes += [
                f"Left is the truth, right what is found with a score of {SCORE} or more; the "
                f"boxes that are meant begin with '{mark}:'. A box is on an object where the two "
                f"overlap by {OVERLAP} or more."
            ]
        for one in found[:_WORST]:
            truth, seen = one.image.truth, certain(one.image)
            marks = (one.marked, None) if mark == "missed" else (None, one.marked)
            texts = _texts(truth, names, mark, marks[0]), _texts(seen, names, mark, marks[1], True)
            section.pictures.append(_beside(one.image.path, one.caption, (truth, seen), texts))
    return sections


def prediction_section(images: Sequence[Detected], names: list[str]) -> Section:
    """What is found, of images of which nothing is known."""
    counts = Counter[int]()
    for image in images:
        counts.update(certain(image).labels.tolist())
    section = Section("Predictions", ["No ground truth: predictions only."])
    section.notes += [f"Counted and drawn are boxes with a score of {SCORE} or more."]
    section.header = ["class", "found"]
    section.rows = [[name, counts[label]] for label, name in enumerate(names)]
    for image in images[:_WORST]:
        seen = certain(image)
        texts = (_texts(seen, names, scores=True),)
        section.pictures.append(_beside(image.path, "", (seen,), texts))
    return section


def _miss(image: Detected, names: list[str]) -> Mistake | None:
    """The worst one is the one that is furthest from being found, of several the largest."""
    truth, found = image.truth, image.found
    own = on_object(found, truth) & (found.labels[:, None] == truth.labels)
    best = np.where(own, found.scores[:, None], 0).max(0, initial=0)
    missed = ~truth.ignored & ~(own & (found.scores >= SCORE)[:, None]).any(0)
    if not missed.any():
        return None
    sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
    ranks = [(-best[n], float(sides[n].prod())) for n in np.nonzero(missed)[0]]
    rank = max(ranks)
    worst = int(np.nonzero(missed)[0][ranks.index(rank)])
    how = f"found with a score of {best[worst]:.2f} only" if best[worst] else "not found at all"
    size = " × ".join(f"{side:.0f}" for side in sides[worst])
    caption = f"{names[truth.labels[worst]]}, {size} pixels, {how}"
    return Mistake(rank, image, missed, caption)


def _alarm(image: Detected, names: list[str]) -> Mistake | None:
    """The worst one is the most certain one."""
    found = certain(image)
    on = on_object(found, image.truth)
    right = on & ((found.labels[:, None] == image.truth.labels) | image.truth.ignored)
    wrong = ~right.any(1)
    if not wrong.any():
        return None
    worst = int(np.where(wrong, found.scores, -1).argmax())
    there = image.truth.labels[on[worst]].tolist()
    where = f"on {names[there[0]]}" if there else "where no object is"
    caption = f"{names[found.labels[worst]]} with a score of {found.scores[worst]:.2f} {where}"
    return Mistake((float(found.scores[worst]), 0), image, wrong, caption)


def _texts(
    boxes: Boxes,
    names: list[str],
    mark: str = "",
    marked: np.ndarray | None = None,
    scores: bool = False,
) -> list[str]:
    flags = np.zeros(len(boxes.labels), bool) if marked is None else marked
    return [
        f"{f'{mark}: ' if flag else ''}{names[label]}{f' {score:.2f}' if scores else ''}"
        for label, score, flag in zip(boxes.labels, boxes.scores, flags)
    ]


def _beside(path: str, caption: str, boxes: Sequence[Boxes], texts: Sequence[list[str]]) -> Picture:
    """An image once for each set of boxes; without a picture where it cannot be read."""
    caption = f"{caption}{': ' if caption else ''}{printable(path)}"
    try:
        image = read_image(path)[..., ::-1]
    except (CorruptImage, OSError) as error:  # a data set may have images that are no files
        return Picture(f"{caption} (not drawn: {printable(error)})", [])
    factor = min(1, _SIDE / max(image.shape[:2]))
    size = [max(1, round(factor * side)) for side in image.shape[1::-1]]
    image = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    drawn = [
        draw_boxes(image, (one.boxes * factor).tolist(), one.labels.tolist(), text)
        for one, text in zip(boxes, texts)
    ]
    return Picture(caption, [jpeg(picture) for picture in drawn])
