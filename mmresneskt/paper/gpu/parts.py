"""The parts, in order of what their figures are worth."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """Something to measure in a process of its own.

    Attributes:
        weight: its share of the minutes, beside those of the other stages.
        stage: parts of one name run at once: nothing in them is timed.
        argv: the command; the JSON file that it writes and ``--work FOLDER`` are added.
        needs: the option without which there is no data for it, "bccd" or "photos".
        environment: variables beside those of this process.
    """

    name: str
    title: str
    weight: float
    stage: str
    argv: tuple[str, ...]
    needs: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def _part(
    name: str,
    title: str,
    weight: float,
    stage: str | None = None,
    module: str | None = None,
    **other,
) -> Part:
    argv = (sys.executable, "-m", f"{__package__}.work", module or name)
    return Part(name, title, weight, stage or name, argv, **other)


_TRITON = {"MMRESNESKT_TRITON": "1"}
PARTS = (
    _part("correct", "Against float64 on the CPU", 2, "right"),
    _part("triton", "The Triton kernels against float64", 2, "right", environment=_TRITON),
    _part("zoo", "Configs of MMDetection, two steps each", 2, "right"),
    _part("survive", "Stop, go on, torchrun, memory", 2, "right"),
    _part("backbone", "Speed and memory of backbones", 4),
    _part(
        "backbone_triton",
        "The same with the Triton kernels",
        1,
        module="backbone",
        environment=_TRITON,
    ),
    _part("profiled", "Where a step's time goes", 1),
    _part("detector", "Faster R-CNN, 800x1333, by part", 1),
    _part("train", "Table 3 on blood cells", 4, "tables", needs="bccd"),
    _part("classify", "Table 2 on photographs", 4, "tables", needs="photos"),
)
