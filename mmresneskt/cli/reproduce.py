"""Train the rows of a table of the paper. Started again, it goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmresneskt.runtime.errors import UserError

from .arguments import add_trust_argument, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", choices=["table1", "table2", "table3"])
    parser.add_argument(
        "--rows",
        nargs="*",
        metavar="NAME",
        help="names as in the results, such as resnet50 (default: all); without a name nothing is "
        "trained and the table is written from what is measured",
    )
    parser.add_argument("--epochs", type=positive, help="the recipe's schedule is scaled")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="Tables 1 and 2: train/CLASS/* and test/CLASS/* in it; Table 3: as COCO or VOC",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--recipe",
        help="Tables 1 and 2: config of everything but the model, the paper's (imagenet10, the "
        "default), imagenet10_author, folder, folder_gpu, or a file; Table 3: coco (the "
        "default), voc, voc_gpu or parcels. Each has a results file of its own",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision, on a GPU")
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="Table 3: evaluate this for the one row given, instead of training",
    )
    parser.add_argument(
        "--speed",
        action="store_true",
        help="Table 3: instead of training, measure images per second and memory of the rows, side "
        "by side in one run",
    )
    add_trust_argument(parser)
    parser.add_argument("--work-dir", default="work_dirs", help="of logs and checkpoints")
    parser.add_argument("--out", default="results", help="folder of the results")


def run(args: argparse.Namespace) -> None:
    """Train, and write the table.

    Raises:
        UserError: see :func:`mmresneskt.paper.reproduce.reproduce`.
    """
    if (args.checkpoint or args.speed) and args.table != "table3":
        raise UserError("--checkpoint and --speed are for table3")
    if args.checkpoint and (len(args.rows or ()) != 1 or not Path(args.checkpoint).is_file()):
        raise UserError("--checkpoint takes a file, and the one row that it belongs to by --rows")
    from mmresneskt.paper.reproduce import reproduce

    reproduce(args)
