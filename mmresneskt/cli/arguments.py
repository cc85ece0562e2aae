"""Arguments that several commands take, and what an argument may be."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from mmresneskt.network.swap.backbones import BACKBONES


def add_config_arguments(
    parser: argparse.ArgumentParser, config: str = "config", optional: bool = False
) -> None:
    """A config and what changes it; for :func:`mmresneskt.cli.config.load`.

    Args:
        config: name of the argument, with dashes for an option.
        optional: it can be left out.
    """
    can_miss: dict = dict(nargs="?") if optional else {}
    parser.add_argument(
        config,
        help="config file, or mmresneskt::..., mmdet::..., mmpretrain::...; or a work folder",
        **can_miss,
    )
    parser.add_argument(
        "--backbone",
        metavar="NAME[:WEIGHTS]",
        help=f"put this backbone into the config first: {', '.join(BACKBONES)}, or timm:NAME "
        f"(mmresneskt backbones lists them); it starts from its public weights, from WEIGHTS "
        f"(file or URL), or from scratch (WEIGHTS = none)",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        metavar="KEY=VALUE",
        help="override settings of the config, e.g. train_dataloader.batch_size=4 "
        'data_root=FOLDER; lists as key="[a,b]" without spaces',
    )


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """``--trust-checkpoint``; what it says goes to :func:`mmresneskt.runtime.checkpoint.trust`."""
    parser.add_argument(
        "--trust-checkpoint",
        action="store_true",
        help="load a checkpoint even if it asks for more than weights need: such a file may run "
        "any code; only for files from somebody you trust",
    )


def add_run_arguments(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """The arguments that MMDetection's train.py and test.py share.

    Args:
        optional: the config can be left out.
    """
    add_config_arguments(parser, optional=optional)
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    add_trust_argument(parser)
    # torchrun's predecessors pass it under either name
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)


def add_trained_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Images, a trained model, and the folder ``out`` for what is made of them.

    The model is a work folder, the first of ``images`` where there is no ``--config``; see
    :func:`mmresneskt.cli.config.use_work_folder`.
    """
    parser.add_argument(
        "images",
        nargs="+",
        metavar="[WORK_DIR] IMAGE|FOLDER|GLOB",
        help="the work folder of a training, unless there is --config; images",
    )
    add_model_arguments(parser)
    parser.add_argument("--out", default=out, metavar="FOLDER", help="default: %(default)s")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """A trained model, for :class:`mmresneskt.cli.trained.Trained`."""
    add_config_arguments(parser, "--config")
    parser.add_argument("--checkpoint", help="file or URL of the weights")
    parser.add_argument("--device", help="default: cuda where there is one, else cpu")
    add_trust_argument(parser)


def at_least(least: int) -> Callable[[str], int]:
    """An argument's ``type``: a whole number from ``least`` on."""

    def whole_number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is not allowed: give at least {least}")
        return value

    return whole_number


positive = at_least(1)
