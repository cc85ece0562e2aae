"""Count parameters and operations of configs, or of Tables 1 and 2.

Multiply-accumulates are those of convolutions and matrix products, activations their outputs,
for one image. No dataset is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from mmresneskt.runtime.errors import UserError

from .arguments import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="a file, or LIBRARY::NAME.py")
    parser.add_argument("--table", action="store_true", help="Tables 1 and 2 beside the paper's")
    parser.add_argument(
        "--shape",
        type=positive,
        nargs="+",
        metavar="SIDE",
        help="height and width, or one side, in pixels (224, for detectors 800 1280)",
    )
    parser.add_argument("--format", choices=["text", "markdown", "json"], default="text")


def run(args: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        UserError: a config cannot be read or its model cannot be built.
    """
    if args.table == bool(args.configs):
        raise UserError("give one or more configs, or --table")
    if args.shape and (args.table or len(args.shape) > 2):
        raise UserError("--shape takes one or two sides, for configs only")
    from mmengine.logging import MMLogger

    from mmresneskt.paper.complexity_rows import (
        CONFIG_HEADER,
        PAPER_HEADER,
        config_rows,
        paper_rows,
    )
    from mmresneskt.paper.tables import TABLES
    from mmresneskt.runtime.text_table import format_table

    MMLogger.get_instance("mmresneskt", log_level="ERROR")  # timm's wrapper lists its features
    with contextlib.redirect_stdout(sys.stderr):  # the libraries print as they go
        if args.table:
            tables = {table: paper_rows(rows) for table, rows in TABLES.items()}
        else:
            tables = {"configs": config_rows(args.configs, args.shape)}
    header = PAPER_HEADER if args.table else CONFIG_HEADER
    if args.format == "json":
        objects = {k: [dict(zip(header, row)) for row in rows] for k, rows in tables.items()}
        print(json.dumps(objects if args.table else objects["configs"], indent=1))
        return
    markdown = args.format == "markdown"
    parts = []
    for table, rows in tables.items():
        title = f"{'## ' if markdown else ''}Table {table[-1]}, at 224x224 with 1000 classes"
        parts += [*([title] if args.table else []), format_table(header, rows, markdown)]
    print("\n\n".join(parts))
