"""The tables of the benchmark: each measures, fills the document of results, and gives rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from ..complexity import complexity
from ..detection_table import row_config
from . import build_network, matrix_rate, measure, memory_rate, variants
from .detector import PARTS, detector_steps
from .measure import random_images, steps_of
from .operators import KINDS, time_by_kind
from .radix_forms import FORMS, blocks, radix_forms
from .report import HEADER, draw, ratios, table_rows
from .scaling import scaling
from .speed import step_speeds

_RATIO_HEADER = ("mode", "compiled", "precision", "network", "its layout", "ours", "times as fast")
_DETECTORS = ("resnet50", "resnest50", "resneskt50")
_SCALING_HEADER = ("axis", "value", "ms a step", "without", "cost %", "memory MB", "without", "%")


def _networks(args: argparse.Namespace, document: dict) -> list[tuple]:
    compiled = [False, True] if args.compile else [False]
    plan = list(variants(args.networks, args.modes, args.layouts, compiled, args.precision))
    rates = {name: matrix_rate(args.device, getattr(torch, name)) for name in args.precision}
    macs = {name: complexity(build_network(name), *args.size).macs for name in args.networks}
    measured = measure(plan, random_images(args.batch, *args.size, args.device), args.rounds)
    document.update(
        size=args.size,
        matrix_rate=rates,
        memory_rate=memory_rate(args.device),
        macs=macs,
        measured=[m.as_dict() for m in measured],
        ratios=[dict(zip(_RATIO_HEADER, row)) for row in ratios(measured)],
    )
    if args.out:
        title = f"{document['hardware']}, batch {args.batch}, {args.size[0]}x{args.size[1]}"
        print(f"picture: {draw(measured, title, Path(args.out + '.png'))}")
    return [(HEADER, table_rows(measured, macs, rates)), (_RATIO_HEADER, ratios(measured))]


def _scaling(args: argparse.Namespace, document: dict) -> list[tuple]:
    layout = args.layouts[-1]
    rows = []
    for p in scaling(args.batch, args.size[0], layout, args.device, args.rounds):
        rows.append(
            [
                *(p.axis, p.value, 1e3 * p.on.seconds, 1e3 * p.off.seconds),
                100 * (p.on.seconds / p.off.seconds - 1),
                *(p.on.memory / 1e6, p.off.memory / 1e6),
                100 * (p.on.memory / p.off.memory - 1),
            ]
        )
    document.update(size=args.size, layout=layout, header=_SCALING_HEADER, scaling=rows)
    return [(_SCALING_HEADER, rows)]


def _detector(args: argparse.Namespace, document: dict) -> list[tuple]:
    layout = args.layouts[-1]
    steps: dict[tuple[str, str], Callable[[], object]] = {}
    for name in _DETECTORS:
        cfg = row_config(name, "coco")
        parts = detector_steps(cfg, args.batch, args.size, layout, args.device)
        steps.update({(name, part): function for part, function in parts.items()})
    speeds = step_speeds(steps, args.rounds, args.device)
    header = ("Faster R-CNN with", *(f"{part} (ms)" for part in PARTS))
    rows = [[n, *(1e3 * speeds[n, part].seconds for part in PARTS)] for n in _DETECTORS]
    document.update(size=args.size, layout=layout, header=header, detectors=rows)
    return [(header, rows)]


def _radix(args: argparse.Namespace, document: dict) -> list[tuple]:
    total: dict[tuple[str, str], list[float]] = {}
    for layout, mode, channels, speeds in radix_forms(
        args.batch, args.size[0], args.device, args.rounds
    ):
        sums = total.setdefault((layout, mode), [0.0] * len(FORMS))
        for position, form in enumerate(FORMS):
            sums[position] += 1e3 * blocks(channels) * speeds[form].seconds
    header = ("layout", "mode", *(f"{form} (ms, all blocks)" for form in FORMS))
    rows = [[*how, *sums] for how, sums in total.items()]
    document.update(size=args.size, header=header, radix=rows)
    return [(header, rows)]


def _operators(args: argparse.Namespace, document: dict) -> list[tuple]:
    images = random_images(args.batch, *args.size, args.device)
    chosen = variants(args.networks, args.modes, args.layouts, [False], args.precision)
    found = time_by_kind(steps_of(chosen, images), args.rounds, args.device)
    rows = []
    for variant, seconds in found.items():
        cells = (1e3 * seconds[kind] for kind in KINDS)
        rows.append([variant.network, variant.mode, variant.layout, variant.precision, *cells])
    header = ("network", "mode", "layout", "precision", *(f"{kind} (ms)" for kind in KINDS))
    document.update(size=args.size, header=header, operators=rows)
    return [(header, rows)]


# each with the options that change it, of those that not all take
TABLES = {
    "speed": (_networks, ("networks", "modes", "layouts", "compile", "precision", "size")),
    "scaling": (_scaling, ("layouts",)),
    "radix": (_radix, ()),
    "operators": (_operators, ("networks", "modes", "layouts", "precision", "size")),
    "detector": (_detector, ("layouts", "size")),
}
