"""The figures of a classifier of images or of pixels: each class, and what is taken for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np

from ..decoding import CorruptImage, read_image
from .collect import Classified, Collected
from .figures import confusion_figure, confusion_note
from .page import Picture, Section, jpeg, png

_PAIRS, _EACH = 8, 5
"""Confused pairs, and images of each."""
_HEIGHT = 160
"""Pixels."""


def classification_sections(collected: Collected) -> tuple[dict[str, object], list[Section]]:
    """What comes first, and the sections; of data without ground truth predictions alone."""
    images, names = collected.classified, collected.names
    known = [image for image in images if image.label is not None]
    if not known:
        return {}, [_predictions(images, names)]
    pairs = Counter((int(image.label or 0), image.found[0]) for image in known)
    tiles: dict[str, object] = {}
    for top in sorted({1, min(5, len(known[0].found))}):
        right = sum(image.label in image.found[:top] for image in known)
        tiles[f"top-{top} accuracy, %"] = f"{100 * right / len(known):.2f}"
    table = Section("Classes", header=["class", "images", "precision", "recall", "F1"])
    table.rows = [[name, *row] for name, row in zip(names, by_class(pairs, len(names)))]
    table.notes = [
        "Of the images taken for a class, the share that is of it (precision); of those of it, the "
        "share that is taken for it (recall). A dash: there is no such image."
    ]
    matrix = Section("Confusion matrix", confusion_note(names))
    matrix.figures = [("Confusion matrix", png(confusion_figure(pairs, names)))]
    return tiles, [table, matrix, _confused(known, pairs, names)]


def segmentation_sections(collected: Collected) -> tuple[dict[str, object], list[Section]]:
    """What comes first, and the sections; none of data without ground truth."""
    pixels, names = collected.pixels, collected.names
    if not pixels:
        return {}, [Section("Classes", ["No ground truth."])]
    table = Section("Classes", header=["class", "pixels", "IoU", "precision", "recall"])
    overlaps = []
    for name, (count, precision, recall, f1) in zip(names, by_class(pixels, len(names))):
        overlap = None if f1 is None else f1 / (2 - f1)  # the same counts, divided otherwise
        overlaps.append(overlap)
        table.rows.append([name, count, overlap, precision, recall])
    table.notes = [
        "Of the pixels that are of a class or taken for it, the share that is both (IoU); of those "
        "taken for it, the share that is of it (precision); of those of it, the share that is "
        "taken for it (recall). A dash: there is no such pixel."
    ]
    known = [overlap for overlap in overlaps if overlap is not None]
    right = sum(count for (true, found), count in pixels.items() if true == found)
    tiles: dict[str, object] = {
        "mIoU, %": f"{100 * sum(known) / len(known):.2f}",
        "pixels of the right class, %": f"{100 * right / sum(pixels.values()):.2f}",
    }
    true = Counter[int]()
    for (label, _), count in pixels.items():
        true[label] += count
    shares = Counter({pair: round(100 * count / true[pair[0]]) for pair, count in pixels.items()})
    matrix = Section("Confusion matrix", [*confusion_note(names), "Numbers are per cent of a row."])
    matrix.figures = [("Confusion matrix", png(confusion_figure(shares, names)))]
    return tiles, [table, matrix]


def by_class(
    pairs: Counter[tuple[int, int]], classes: int
) -> list[tuple[int, float | None, float | None, float | None]]:
    """Count, precision, recall and F1 of each class; None where there is nothing to divide by.

    Args:
        pairs: how often a class, the first, is taken for another, the second.
    """
    true, found = Counter[int](), Counter[int]()
    for (label, taken), count in pairs.items():
        true[label] += count
        found[taken] += count
    return [
        (
            true[n],
            _share(pairs[n, n], found[n]),
            _share(pairs[n, n], true[n]),
            _share(2 * pairs[n, n], true[n] + found[n]),
        )
        for n in range(classes)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _confused(
    images: Sequence[Classified], pairs: Counter[tuple[int, int]], names: list[str]
) -> Section:
    """The pairs of classes with the most errors, with the images that are the most certain."""
    section = Section("Most confused")
    wrong = Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1]})
    section.notes = [
        f"{sum(wrong.values())} of {len(images)} images are taken for another class; of each pair "
        f"those are drawn of which the model is the most certain."
    ]
    for (true, taken), count in wrong.most_common(_PAIRS):
        of = [image for image in images if (image.label, image.found[0]) == (true, taken)]
        of.sort(key=lambda image: -image.score)
        scores = ", ".join(f"{image.score:.2f}" for image in of[:_EACH])
        caption = f"{names[true]} taken for {names[taken]}: {count}, with scores of {scores}"
        section.pictures.append(Picture(caption, _thumbnails(of), small=True))
    return section


def _predictions(images: Sequence[Classified], names: list[str]) -> Section:
    counts = Counter(image.found[0] for image in images)
    section = Section("Predictions", ["No ground truth: predictions only."])
    section.header = ["class", "images"]
    section.rows = [[name, counts[label]] for label, name in enumerate(names)]
    for label, _ in counts.most_common(_PAIRS):
        of = [image for image in images if image.found[0] == label]
        of.sort(key=lambda image: -image.score)
        section.pictures.append(Picture(names[label], _thumbnails(of), small=True))
    return section


def _thumbnails(images: Sequence[Classified]) -> list[str]:
    """The first images, as far as they can be read: a data set may have some that are no files."""
    drawn = []
    for image in images[:_EACH]:
        try:
            picture = read_image(image.path)[..., ::-1]
        except (CorruptImage, OSError):
            continue
        height, width = picture.shape[:2]
        size = (min(max(1, round(width * _HEIGHT / height)), 4 * _HEIGHT), _HEIGHT)
        shrinks = size[0] < width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        drawn.append(jpeg(cv2.resize(np.ascontiguousarray(picture), size, interpolation=how)))
    return drawn
