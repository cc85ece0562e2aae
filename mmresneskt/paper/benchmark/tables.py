"""The tables of the benchmark: each measures, fills the document of results, and gives rows."""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from mmresneskt.runtime.complexity import complexity

from ..detection_table import row_config
from ..peers import build_timed
from .detector import PARTS, detector_steps
from .report import HEADER, RATIO_HEADER, draw, ratios, table_rows
from .speed import step_speeds
from .variants import Variant, steps_of

DETECTORS = ("resnet50", "resnest50", "resneskt50")
DETECTOR_HEADER = ("Faster R-CNN with", *(f"{part} (ms)" for part in PARTS), "memory (MB)")


def backbones(args: argparse.Namespace, document: dict) -> list[tuple]:
    """Speed and memory of backbones in every variant that was asked for."""
    compiled = [False, True] if args.compile else [False]
    wanted = (args.networks, args.modes, args.layouts, compiled, args.precision)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(args.batch, 3, *args.size, generator=generator).to(args.device)
    steps = steps_of([Variant(*chosen) for chosen in itertools.product(*wanted)], images)
    rates, memory_rate = _machine(args.device, args.precision)
    macs = {name: _macs(name, *args.size, args.device) for name in args.networks}
    measured = step_speeds(steps, args.rounds, args.device)
    compared = ratios(measured)
    document.update(
        matrix_rate=rates,
        memory_rate=memory_rate,
        macs=macs,
        measured=[
            {**asdict(v), **asdict(speed), "images_per_second": args.batch / speed.seconds}
            for v, speed in measured.items()
        ],
        ratios=[dict(zip(RATIO_HEADER, row)) for row in compared],
    )
    if args.out:
        title = f"{document['hardware']}, batch {args.batch}, {args.size[0]}x{args.size[1]}"
        print(f"picture: {draw(measured, args.batch, title, Path(args.out + '.png'))}")
    return [(HEADER, table_rows(measured, args.batch, macs, rates)), (RATIO_HEADER, compared)]


def detectors(
    args: argparse.Namespace, document: dict, names: Sequence[str] = DETECTORS
) -> list[tuple]:
    """Time of the parts of Table 3's Faster R-CNN with each of some backbones."""
    layout = args.layouts[-1]
    steps: dict[tuple[str, str], Callable[[], object]] = {}
    for name in names:
        how = (args.batch, args.size, layout, args.device, args.precision[-1])
        parts = detector_steps(row_config(name, "coco"), *how)
        steps.update({(name, part): function for part, function in parts.items()})
    speeds = step_speeds(steps, args.rounds, args.device)
    rows = [
        [
            *(n, *(1e3 * speeds[n, part].seconds for part in PARTS)),
            speeds[n, PARTS[-1]].memory / 1e6,
        ]
        for n in names
    ]
    document.update(
        layout=layout, precision=args.precision[-1], header=DETECTOR_HEADER, detectors=rows
    )
    return [(DETECTOR_HEADER, rows)]


@functools.cache
def _macs(name: str, height: int, width: int, device: str) -> int:
    return complexity(build_timed(name).to(device), height, width).macs


def _machine(device: str, precisions: Sequence[str]) -> tuple[dict[str, float], float]:
    """The floor under any network's time: what the machine itself can do.

    Multiply-accumulates a second of a large square matrix product in each precision, and bytes a
    second, read and written, of a large copy.
    """
    side, size = (8192, 2**30) if device == "cuda" else (2048, 2**27)
    source = torch.zeros(size // 4, device=device)
    steps = {"copy": functools.partial(torch.empty_like(source).copy_, source)}
    for name in precisions:
        a = torch.rand(side, side, device=device).to(getattr(torch, name))
        steps[name] = functools.partial(torch.matmul, a, a)
    speeds = step_speeds(steps, 7, device)
    rates = {name: side**3 / speeds[name].seconds for name in precisions}
    return rates, 2 * size / speeds["copy"].seconds
