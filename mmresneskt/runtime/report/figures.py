"""The figures that a detector's report and a classifier's share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .page import short

_CLASSES = 40
"""Of a confusion matrix that can still be read."""
_WITH_NUMBERS = 16


def confusion_figure(
    pairs: Counter[tuple[int, int]], names: Sequence[str], always: Sequence[int] = ()
) -> Figure:
    """Rows are what is true, columns what is found; a row's colours are shares of it.

    Of more than 40 classes the 40 with the most errors are drawn.

    Args:
        pairs: how often what is true, as the first, is found as the second.
        names: of all numbers in ``pairs``.
        always: numbers to draw in any case.
    """
    wrong: Counter[int] = Counter()
    for (true, found), count in pairs.items():
        if true != found:
            wrong.update({true: count, found: count})
    drawn = {n for n in range(len(names)) if n not in always}
    kept = sorted(drawn, key=lambda n: -wrong[n])[:_CLASSES]
    order = sorted([*kept, *always])
    matrix = np.array([[pairs[true, found] for found in order] for true in order])
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    size = min(max(4.5, 1.8 + 0.5 * len(order)), 11)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [short(names[n]) for n in order]
    letters = 9 if len(order) <= _WITH_NUMBERS else 7
    axes.set_xticks(range(len(order)), labels, rotation=45, ha="right", fontsize=letters)
    axes.set_yticks(range(len(order)), labels, fontsize=letters)
    axes.set(xlabel="found", ylabel="true")
    if len(order) <= _WITH_NUMBERS:
        for (row, column), count in np.ndenumerate(matrix):
            color = "white" if shares[row, column] > 0.6 else "black"
            if count:
                axes.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
    return figure


def confusion_note(names: Sequence[str], always: Sequence[int] = ()) -> list[str]:
    """How to read the figure, and that not all classes are drawn, where that is so."""
    classes = len(names) - len(always)
    notes = ["A row is what is true, a column what is found; the colour is a share of the row."]
    if classes > _CLASSES:
        notes += [f"Drawn are the {_CLASSES} of {classes} classes with the most errors."]
    return notes
