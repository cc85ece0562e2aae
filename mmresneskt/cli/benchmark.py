"""Time ResNeSkt beside its peers, one step of each to a round.

On the CPU memory is what autograd keeps for the backward pass, counted; on a GPU the
allocator's peak.
"""

from __future__ import annotations

import argparse
import json

from mmresneskt.runtime.errors import UserError

from .arguments import at_least, positive

_TABLES = ("speed", "scaling", "radix", "operators")
_MODES, _LAYOUTS = ("inference", "training"), ("nchw", "nhwc")
_PRECISIONS = ("float32", "bfloat16", "float16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", choices=["backbone", "detector"], default="backbone")
    parser.add_argument(
        "--table",
        choices=_TABLES,
        help="the networks' speed (the default), ResNeSkt against its own sizes, the two forms of "
        "its radix convolution, or the time of each kind of operator",
    )
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--modes", nargs="+", choices=_MODES, help="default: both")
    parser.add_argument("--layouts", nargs="+", choices=_LAYOUTS, help="default: both, or the last")
    parser.add_argument(
        "--compile", action="store_const", const=True, help="torch.compile beside eager"
    )
    parser.add_argument("--precision", nargs="+", choices=_PRECISIONS, help="default: float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where it is")
    parser.add_argument("--threads", type=positive, help="of torch on the CPU")
    parser.add_argument("--batch", type=positive, default=4)
    parser.add_argument(
        "--size", type=at_least(32), nargs="+", default=[224], help="side, or height and width"
    )
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--out", help="results/NAME, for NAME.json and NAME.png")


def run(args: argparse.Namespace) -> None:
    """Measure, print and write ``OUT.json``, and ``OUT.png`` of the networks.

    Raises:
        UserError: an argument does not fit this machine, or a network cannot be built or run.
    """
    import torch

    from mmresneskt.paper.benchmark.tables import TABLES
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
    measure, _ = TABLES[args.table]
    document = dict(conditions(), batch=args.batch, rounds=args.rounds, device=args.device)
    document["threads"] = torch.get_num_threads()
    try:
        tables = measure(args, document)
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


def _complete(args: argparse.Namespace) -> None:
    """Fill in the defaults of a table; refuse what does not change it."""
    from mmresneskt.paper.benchmark import NETWORKS
    from mmresneskt.paper.benchmark.tables import TABLES
    from mmresneskt.runtime.errors import did_you_mean

    if len(args.size) > 2:
        raise UserError("--size takes one or two sides")
    if args.model == "detector":
        if args.table:
            raise UserError("--table is of the backbones: leave out --model detector")
        args.table = "detector"
    args.table = args.table or "speed"
    _, takes = TABLES[args.table]
    for name in args.networks or ():
        if name not in NETWORKS:
            hint = did_you_mean(name, NETWORKS)
            raise UserError(f"--networks {name}: known are {', '.join(NETWORKS)}.{hint}")
    defaults = dict(networks=list(NETWORKS), modes=_MODES, layouts=_LAYOUTS)
    for name, default in dict(**defaults, compile=False, precision=["float32"]).items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif name not in takes:
            raise UserError(f"--{name} does not change the table {args.table}: leave it out")
    if len(args.size) > 1 and "size" not in takes:
        raise UserError(f"--size takes one side for the table {args.table}")
    args.size = (args.size[0], args.size[-1])
