"""Table 3's rows on the blood cells of BCCD, twelve epochs of the recipe ``voc_gpu``."""

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
    rows = [row.name for row in rows_of("voc_gpu")]
    if setting.rehearse:
        arguments = ["--data", str(toy_cells(setting.work / "cells")), "--epochs", "1"]
        return tables.steps(setting, "table3", "voc", rows[:1], [0], arguments, _FIGURES)
    arguments = ["--data", str(setting.bccd)]
    return tables.steps(setting, "table3", "voc_gpu", rows, range(5), arguments, _FIGURES)
