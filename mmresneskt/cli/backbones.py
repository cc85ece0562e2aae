"""List the backbones that --backbone can put into a config, with their sizes."""

from __future__ import annotations

import argparse

from mmresneskt.runtime.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "filter",
        nargs="?",
        default="*",
        metavar="FILTER",
        help="part of a name, or a pattern with * and ?; 'timm:...' for those of timm",
    )
    parser.add_argument("--timm", action="store_true", help="the networks of timm too")


def run(args: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        UserError: nothing matches, or timm's are asked for and it is not installed.
    """
    from mmresneskt.network.swap.listing import HEADER, rows
    from mmresneskt.runtime.text_table import format_table

    try:
        found, without = rows(args.filter, args.timm)
    except ImportError as error:
        raise UserError(f"{args.filter}: {error}") from error
    if not found:
        raise UserError(f"no backbone matches {args.filter}: see mmresneskt backbones --timm")
    print(format_table(HEADER, found, markdown=False))
    if without:
        print(f"\nThe last {without} were not counted: a narrower FILTER counts them.")
