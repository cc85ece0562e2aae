"""Time ResNeSkt beside its peers, one step of each to a round.

On the CPU memory is what autograd keeps for the backward pass, counted; on a GPU the
allocator's peak.
"""

from __future__ import annotations

import argparse
import json

from mmresneskt.runtime.errors import UserError

from .arguments import at_least, positive

_MODES, _LAYOUTS = ("inference", "training"), ("nchw", "nhwc")
_PRECISIONS = ("float32", "bfloat16", "float16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", choices=["backbone", "detector"], default="backbone")
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--modes", nargs="+", choices=_MODES, help="default: both")
    parser.add_argument(
        "--layouts",
        nargs="+",
        choices=_LAYOUTS,
        default=_LAYOUTS,
        help="default: both; of a detector the last",
    )
    parser.add_argument(
        "--compile", action="store_const", const=True, help="torch.compile beside eager"
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=_PRECISIONS,
        help="default: float32; of a detector the last",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where it is")
    parser.add_argument("--threads", type=positive, help="of torch on the CPU")
    parser.add_argument("--batch", type=positive, default=4)
    parser.add_argument(
        "--size", type=at_least(32), nargs="+", default=[224], help="side, or height and width"
    )
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--out", help="results/NAME, for NAME.json and NAME.png")


def run(args: argparse.Namespace) -> None:
    """Measure, print and write ``OUT.json``, and ``OUT.png`` of the backbones.

    Raises:
        UserError: an argument does not fit this machine, or a network cannot be built or run.
    """
    import torch
    from mmengine.logging import MMLogger

    from mmresneskt.paper.benchmark.tables import backbones, detectors
    from mmresneskt.runtime.conditions import conditions
    from mmresneskt.runtime.errors import explain
    from mmresneskt.runtime.files import write_whole
    from mmresneskt.runtime.text_table import format_table

    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU; use --device cpu")
    _complete(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    MMLogger.get_instance("mmresneskt", log_level="ERROR")  # timm's wrapper lists its features
    settings = dict(batch=args.batch, rounds=args.rounds, device=args.device, size=args.size)
    document = dict(**conditions(), **settings, threads=torch.get_num_threads())
    try:
        tables = (detectors if args.model == "detector" else backbones)(args, document)
    except Exception as error:  # whatever a network raises, and memory that does not suffice
        raise UserError(explain(error)) from error
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    print(f"{document['hardware']}, {document['threads']} threads; {versions}; {document['date']}")
    print(*(f"\n{format_table(header, rows, False)}" for header, rows in tables), sep="\n")
    if args.out:
        try:
            data = json.dumps(document, indent=1) + "\n"
            print(f"\nresults: {write_whole(args.out + '.json', data.encode())}")
        except OSError as error:
            raise UserError(f"--out: {error}") from error


def _complete(args: argparse.Namespace) -> None:
    """Fill in the defaults; refuse what changes nothing."""
    from mmresneskt.paper.peers import TIMED
    from mmresneskt.runtime.errors import did_you_mean

    if len(args.size) > 2:
        raise UserError("--size takes one or two sides")
    args.size = (args.size[0], args.size[-1])
    for name in args.networks or ():
        if name not in TIMED:
            hint = did_you_mean(name, TIMED)
            raise UserError(f"--networks {name}: known are {', '.join(TIMED)}.{hint}")
    args.precision = args.precision or ["float32"]
    defaults = dict(networks=list(TIMED), modes=_MODES, compile=False)
    for name, default in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif args.model == "detector":
            raise UserError(f"--{name} does not change the table detector: leave it out")
