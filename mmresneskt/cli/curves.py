"""Draw accuracy or AP, and losses, of one run or of several in one picture."""

from __future__ import annotations

import argparse

from mmresneskt.runtime.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("work_dirs", nargs="+", metavar="WORK_DIR", help="of a run")
    parser.add_argument("--out", default="curves.png", help=".png, .pdf or .svg")


def run(args: argparse.Namespace) -> None:
    """Draw.

    Raises:
        UserError: a folder holds no run, or the picture cannot be written.
    """
    from mmresneskt.runtime.pictures.curves import plot_curves

    try:
        print(plot_curves(args.work_dirs, args.out))
    except (OSError, ValueError) as error:  # matplotlib: ValueError for an unknown format
        raise UserError(str(error)) from error
