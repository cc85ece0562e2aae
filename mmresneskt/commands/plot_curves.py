"""``tools/plot_curves.py``: the curves of one run or of several in one picture."""

from __future__ import annotations

import argparse

from ..visualization import plot_curves
from .errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and draw.

    Raises:
        UserError: a folder holds no run, or the picture cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="plot_curves.py",
        description="Accuracy or AP, and losses, of one run or of several in one picture.",
    )
    parser.add_argument("work_dirs", nargs="+", metavar="WORK_DIR", help="of a run")
    parser.add_argument("--out", default="curves.png", help=".png, .pdf or .svg")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    try:
        print(plot_curves(args.work_dirs, args.out))
    except (OSError, ValueError) as error:  # matplotlib: ValueError for an unknown format
        raise UserError(str(error)) from error
