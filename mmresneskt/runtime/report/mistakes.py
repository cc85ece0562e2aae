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
_FOUND, _FALSE = 20, 6
"""Boxes in a picture of what is found, and of false alarms: more would hide the image."""


class Mistake(NamedTuple):
    """In an image.

    Attributes:
        rank: the larger, the worse.
        missed: which objects.
        found: the boxes to draw.
        caption: of the worst one.
    """

    rank: tuple[float, float]
    image: Detected
    missed: np.ndarray
    found: Boxes
    caption: str


def mistake_sections(images: Sequence[Detected], names: list[str]) -> list[Section]:
    """The images with the worst misses, then those with the worst false alarms."""
    misses = [m for image in images if (m := _miss(image, names))]
    alarms = [m for image in images if (m := _alarm(image, names))]
    left = f"A box is on an object where the two overlap by {OVERLAP} or more. Left is the truth"
    sections = [
        Section(
            "Worst misses",
            [
                f"In {len(misses)} of {len(images)} images an object is missed: no box of its "
                f"class with a score of {SCORE} or more is on it.",
                f"{left}, with 'missed:' at what is meant, right is what is found: at most the "
                f"{_FOUND} most certain boxes.",
            ],
        ),
        Section(
            "Worst false alarms",
            [
                f"In {len(alarms)} of {len(images)} images a box with a score of {SCORE} or more "
                f"is on no object of its class.",
                f"{left}, right are such boxes alone: at most the {_FALSE} most certain ones.",
            ],
        ),
    ]
    for section, found in zip(sections, (misses, alarms)):
        found.sort(key=lambda mistake: mistake.rank, reverse=True)
        for one in found[:_WORST]:
            truth = [names[label] for label in one.image.truth.labels]
            truth = [f"missed: {name}" if m else name for name, m in zip(truth, one.missed)]
            texts = truth, _scored(one.found, names)
            drawn = one.image.truth, one.found
            section.pictures.append(_beside(one.image.path, one.caption, drawn, texts))
    return sections


def prediction_section(images: Sequence[Detected], names: list[str]) -> Section:
    """What is found, of images of which nothing is known."""
    counts = Counter[int]()
    for image in images:
        counts.update(certain(image).labels.tolist())
    section = Section("Predictions", ["No ground truth: predictions only."])
    section.notes += [
        f"Counted are boxes with a score of {SCORE} or more; drawn are "
        f"at most the {_FOUND} most certain ones of an image."
    ]
    section.header = ["class", "found"]
    section.rows = [[name, counts[label]] for label, name in enumerate(names)]
    for image in images[:_WORST]:
        seen = _most(certain(image), _FOUND)
        section.pictures.append(_beside(image.path, "", (seen,), (_scored(seen, names),)))
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
    return Mistake(rank, image, missed, _most(certain(image), _FOUND), caption)


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
    drawn = _most(found.of(wrong), _FALSE)
    missed = np.zeros(len(image.truth.labels), bool)
    return Mistake((float(found.scores[worst]), 0), image, missed, drawn, caption)


def _most(boxes: Boxes, number: int) -> Boxes:
    """The most certain ones."""
    return boxes.of(np.argsort(-boxes.scores, kind="stable")[:number])


def _scored(boxes: Boxes, names: list[str]) -> list[str]:
    return [f"{names[label]} {score:.2f}" for label, score in zip(boxes.labels, boxes.scores)]


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
