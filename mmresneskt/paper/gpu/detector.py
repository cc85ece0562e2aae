"""Time of the parts of Table 3's Faster R-CNN, images of 800x1333."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence

from mmresneskt.paper.benchmark.tables import DETECTOR_HEADER, DETECTORS, detectors
from mmresneskt.paper.tables import TABLE3

from .work import Setting

HEADER = ("images", "precision", *DETECTOR_HEADER)
_ALL = tuple(row.name for row in TABLE3 if row.ap != "-")  # of 50 layers
_MANY = 16


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """Backbones side by side, by batch, precision and layout; the memory is a training step's."""
    ways = [
        (2, "bfloat16", "nhwc", _ALL),
        (_MANY, "bfloat16", "nhwc", DETECTORS),
        (2, "bfloat16", "nchw", DETECTORS),
        (2, "float32", "nhwc", DETECTORS),
    ]
    if setting.rehearse:
        ways = [(1, "bfloat16", "nhwc", DETECTORS[:1])]
    return {
        f"{batch} images, {precision}, {layout}": functools.partial(
            _measure, setting, batch, precision, layout, names
        )
        for batch, precision, layout, names in ways
    }


def _measure(
    setting: Setting, batch: int, precision: str, layout: str, names: Sequence[str]
) -> list[list]:
    size, rounds = ((64, 96), 1) if setting.rehearse else ((800, 1333), 5 if batch > 2 else 15)
    args = argparse.Namespace(
        layouts=(layout,),
        precision=(precision,),
        device=setting.device,
        batch=batch,
        size=size,
        rounds=rounds,
    )
    ((_, rows),) = detectors(args, {}, names)
    return [[batch, f"{precision}, {layout}", *row] for row in rows]
