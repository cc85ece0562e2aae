"""Time of the parts of Table 3's Faster R-CNN, two images of 800x1333."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

from mmresneskt.paper.benchmark.detector import PARTS
from mmresneskt.paper.benchmark.tables import DETECTORS, detectors

from .work import Setting

HEADER = ("precision", "Faster R-CNN with", *(f"{part} (ms)" for part in PARTS))


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """All backbones side by side, by precision and layout."""
    ways = [("bfloat16", "nhwc"), ("bfloat16", "nchw"), ("float32", "nhwc")]
    return {
        f"{precision}, {layout}": functools.partial(_measure, setting, precision, layout)
        for precision, layout in ways[: 1 if setting.rehearse else None]
    }


def _measure(setting: Setting, precision: str, layout: str) -> list[list]:
    batch, size, rounds = (1, (64, 96), 1) if setting.rehearse else (2, (800, 1333), 10)
    args = argparse.Namespace(
        layouts=(layout,),
        precision=(precision,),
        device=setting.device,
        batch=batch,
        size=size,
        rounds=rounds,
    )
    ((_, rows),) = detectors(args, {}, DETECTORS[: 1 if setting.rehearse else None])
    return [[f"{precision}, {layout}", *row] for row in rows]
