"""The figures of a segmentor: the overlap of each class, and what is taken for what."""

from __future__ import annotations

from collections import Counter

from .classification import by_class
from .collect import Collected
from .figures import confusion_figure, confusion_note
from .page import Section, png


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
