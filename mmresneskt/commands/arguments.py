"""Arguments that several commands take, and what an argument may be."""

from __future__ import annotations

import argparse


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """``--trust-checkpoint``; what it says goes to :func:`mmresneskt.checkpoint.trust`."""
    parser.add_argument(
        "--trust-checkpoint",
        action="store_true",
        help="load a checkpoint even if it asks for more than weights need: such a file may run "
        "any code; only for files from somebody you trust",
    )


def positive(text: str) -> int:
    """An argument's ``type``: a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not allowed: give at least 1")
    return value
