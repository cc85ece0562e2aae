"""``tools/benchmark.py``: ResNeSkt beside its peers, in one interleaved run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch

from ..benchmark import NETWORKS, build_network, matrix_rate, measure, memory_rate, variants
from ..benchmark.detector import PARTS, detector_steps
from ..benchmark.measure import random_images, steps_of
from ..benchmark.operators import KINDS, time_by_kind
from ..benchmark.radix_forms import FORMS, blocks, radix_forms
from ..benchmark.report import HEADER, draw, ratios, table_rows
from ..benchmark.scaling import scaling
from ..benchmark.variants import LAYOUTS, MODES
from ..complexity import complexity
from ..files import write_whole
from ..speed import step_speeds
from .arguments import positive
from .conditions import conditions
from .config import load_config
from .errors import UserError, explain
from .paper import CONFIGS
from .table import format_table

_PRECISIONS = ("float32", "bfloat16", "float16")
_CHOICES = dict(
    networks=list(NETWORKS),
    modes=list(MODES),
    layouts=list(LAYOUTS),
    compile=False,
    precision=["float32"],
)
_RATIO_HEADER = ("mode", "compiled", "precision", "network", "its layout", "ours", "times as fast")
_DETECTORS = ("resnet50", "resnest50", "resneskt50")
_SCALING_HEADER = ("axis", "value", "ms a step", "without", "cost %", "memory MB", "without", "%")


def main(argv: list[str] | None = None) -> None:
    """Measure, print and write ``OUT.json``, and ``OUT.png`` of the networks.

    Raises:
        UserError: an argument does not fit this machine, or a network cannot be built or run.
    """
    args = parse_args(argv)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU; use --device cpu")
    if args.threads:
        torch.set_num_threads(args.threads)
    run, _ = _TABLES[args.table]
    document = dict(conditions(), batch=args.batch, rounds=args.rounds, device=args.device)
    document["threads"] = torch.get_num_threads()
    try:
        tables = run(args, document)
    except Exception as error:  # whatever a network raises, and memory that does not suffice
        raise UserError(explain(error)) from error
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    print(f"{document['hardware']}, {document['threads']} threads; {versions}; {document['date']}")
    print(*(f"\n{format_table(*table, markdown=False)}" for table in tables), sep="\n")
    if args.out:
        try:
            data = json.dumps(document, indent=1) + "\n"
            print(f"\nresults: {write_whole(args.out + '.json', data.encode())}")
        except OSError as error:
            raise UserError(f"--out: {error}") from error


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Time networks side by side: one step of each to a round. On the CPU memory "
        "is what autograd keeps for the backward pass, counted; on a GPU the allocator's peak.",
    )
    parser.add_argument("--model", choices=["backbone", "detector"], default="backbone")
    parser.add_argument(
        "--table",
        choices=[name for name in _TABLES if name != "detector"],
        help="the networks' speed (the default), ResNeSkt against its own sizes, the two forms of "
        "its radix convolution, or the time of each kind of operator",
    )
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), help="default: all")
    parser.add_argument("--modes", nargs="+", choices=MODES, help="default: both")
    parser.add_argument(
        "--layouts", nargs="+", choices=list(LAYOUTS), help="default: both, or the last"
    )
    parser.add_argument(
        "--compile", action="store_const", const=True, help="torch.compile beside eager"
    )
    parser.add_argument("--precision", nargs="+", choices=_PRECISIONS, help="default: float32")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=positive, help="of torch on the CPU")
    parser.add_argument("--batch", type=positive, default=4)
    parser.add_argument(
        "--size", type=positive, nargs="+", default=[224], help="side, or height and width"
    )
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--out", help="results/NAME, for NAME.json and NAME.png")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if len(args.size) > 2 or min(args.size) < 32:
        parser.error("--size takes one or two sides of at least 32 pixels")
    if args.model == "detector":
        if args.table:
            parser.error("--table is of the backbones: leave out --model detector")
        args.table = "detector"
    args.table = args.table or "speed"
    _, takes = _TABLES[args.table]
    for name, default in _CHOICES.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif name not in takes:
            parser.error(f"--{name} does not change the table {args.table}: leave it out")
    if len(args.size) > 1 and "size" not in takes:
        parser.error(f"--size takes one side for the table {args.table}")
    args.size = (args.size[0], args.size[-1])
    return args


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
        cfg = load_config(str(CONFIGS / f"faster_rcnn_{name}.py"))
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
_TABLES = {
    "speed": (_networks, ("networks", "modes", "layouts", "compile", "precision", "size")),
    "scaling": (_scaling, ("layouts",)),
    "radix": (_radix, ()),
    "operators": (_operators, ("networks", "modes", "layouts", "precision", "size")),
    "detector": (_detector, ("layouts", "size")),
}
