"""Arguments that several commands take, and what an argument may be."""

from __future__ import annotations

import argparse

from mmengine.config import DictAction


def add_options_argument(parser: argparse.ArgumentParser) -> None:
    """MM's ``--cfg-options``."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="override settings of the config, e.g. train_dataloader.batch_size=4 "
        'data_root=FOLDER; lists as key="[a,b]" without spaces',
    )


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
