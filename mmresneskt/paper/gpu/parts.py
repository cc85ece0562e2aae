"""The parts, in order of what their figures are worth."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """Something to measure in a process of its own.

    Attributes:
        weight: its share of the minutes, beside those of the others.
        argv: the command; the JSON file that it writes and ``--work FOLDER`` are added.
        needs: the option without which there is no data for it, "bccd" or "photos".
        environment: variables beside those of this process.
    """

    name: str
    title: str
    weight: float
    argv: tuple[str, ...]
    needs: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def _part(name: str, title: str, weight: float, module: str | None = None, **other) -> Part:
    argv = (sys.executable, "-m", f"{__package__}.work", module or name)
    return Part(name, title, weight, argv, **other)


_TRITON = {"MMRESNESKT_TRITON": "1"}
PARTS = (
    _part("correct", "Against float64 on the CPU", 2),
    _part("triton", "The Triton kernels against float64", 1, environment=_TRITON),
    _part("backbone", "Speed and memory of backbones", 6),
    _part(
        "backbone_triton", "The same with the Triton kernels", 1, "backbone", environment=_TRITON
    ),
    _part("detector", "Faster R-CNN, 800x1333, by part", 1),
    _part("zoo", "Configs of MMDetection, two steps each", 1.5),
    _part("survive", "Stop, go on, torchrun, memory", 2),
    _part("train", "Table 3 on blood cells", 2, needs="bccd"),
    _part("classify", "Table 2 on photographs", 2, needs="photos"),
)
