"""Write a page about a run: its curves, how good the model is, where it fails.

``report.html`` is one file that needs no network. `mmresneskt train` writes it at the end.
"""

from __future__ import annotations

import argparse

from mmresneskt.runtime.errors import printable

from .arguments import add_trust_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("work_dir", metavar="WORK_DIR", help="of a run")
    parser.add_argument(
        "--checkpoint", help="file or URL; default: the best of the work folder, else the newest"
    )
    parser.add_argument("--out", metavar="FILE", help="default: report.html in the work folder")
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Write it.

    Raises:
        UserError: see :func:`mmresneskt.runtime.report.write_report`.
    """
    from mmresneskt.runtime.report import write_report

    print(printable(write_report(args.work_dir, args.checkpoint, args.out)))
