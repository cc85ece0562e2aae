"""Put ResNeSkt-50 into every ResNet-50-based config of an installed MM library.

Each is built, trained for three steps on synthetic images, and predicts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmresneskt.runtime.errors import UserError

_LIBRARIES = ("mmdet", "mmseg", "mmpose", "mmrotate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--library", choices=_LIBRARIES, default="mmdet")
    parser.add_argument("--out", help="default: results/zoo_swap.md, or zoo_swap_LIBRARY.md")
    parser.add_argument("--one", metavar="FOLDER/NAME.py", help="one config only, no table")
    parser.add_argument("--weights", default="none", help="to start from, with --one")


def run(args: argparse.Namespace) -> None:
    """Try one config or all.

    Raises:
        UserError: the one does not work, or the results cannot be written.
    """
    from mmresneskt.paper.zoo.sweep import sweep, try_one

    if args.one:
        try:
            try_one(args.one, args.weights, args.library)
        except Exception as error:  # whatever a model raises is the outcome
            raise UserError(f"{args.one}: {type(error).__name__}: {error}") from error
        print(f"{args.one}: works")
        return
    suffix = "" if args.library == "mmdet" else f"_{args.library}"
    out = Path(args.out or f"results/zoo_swap{suffix}.md")
    try:
        sweep(out, args.library)
    except OSError as error:
        raise UserError(f"--out: {error}") from error
    print(f"results: {out}")
