"""Table 3's rows on the blood cells of BCCD, twelve epochs of the recipe ``voc``."""

from __future__ import annotations

from collections.abc import Callable

from mmresneskt.paper.detection_table import rows_of

from . import tables
from .toy import toy_cells
from .work import Setting

_FIGURES = ("epochs", "ap", "ap50", "ap75")
HEADER = ("row", "seed", *_FIGURES)


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """Five seeds; a rehearsal trains the first row on a few generated images for an epoch."""
    rows, seeds, epochs = [row.name for row in rows_of("voc")], list(range(5)), 12
    data = setting.bccd
    if setting.rehearse:
        rows, seeds, epochs = rows[:1], [0], 1
        data = toy_cells(setting.work / "cells")
    arguments = ["--data", str(data), "--epochs", str(epochs)]
    return tables.steps(setting, "table3", "voc", rows, seeds, arguments, _FIGURES)
