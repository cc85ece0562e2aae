"""Build the paper's classification data from ImageNet-1K.

Ten synsets, 300 of each class's training images moved to the test images, each centre-cropped
to 224x224, then copies with other rotation, brightness and contrast: 30,000 training and 10,000
test images. The paper gives no ranges for the copies; here they are 30 degrees either way and
factors of 0.7 to 1.3.
"""

from __future__ import annotations

import argparse

from .arguments import at_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root",
        metavar="IMAGENET_ROOT",
        help="folder with train/ and val/, or Kaggle's with ILSVRC/Data/CLS-LOC; never changed",
    )
    parser.add_argument("out", metavar="OUT", help="output folder: new, empty, or to go on with")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of every draw (default 0)")
    parser.add_argument(
        "--no-augment",
        dest="augment",
        action="store_false",
        help="no copies: 10,000 training and 3,500 test images",
    )
    parser.add_argument(
        "--keep-originals",
        action="store_true",
        help="copy each image byte for byte instead of cropping it; its copies are still 224x224",
    )
    parser.add_argument(
        "--val-labels",
        metavar="FILE",
        help="labels of validation images that lie in one folder: Kaggle's LOC_val_solution.csv, "
        "a WNID per line, meta/val.txt or the devkit's ground truth (default: the one in "
        "IMAGENET_ROOT)",
    )
    parser.add_argument(
        "--allow-other-counts",
        action="store_true",
        help="go on though a class has not 1300 training and 50 validation images; the same "
        "shares are moved and copied",
    )
    parser.add_argument(
        "--max-corrupt",
        type=at_least(0),
        default=0,
        metavar="N",
        help="leave out up to N images that cannot be decoded (default 0)",
    )
    parser.add_argument(
        "--workers",
        type=at_least(1),
        default=None,
        metavar="N",
        help="processes (default: one per core); the result is the same for any number",
    )


def run(args: argparse.Namespace) -> None:
    """Build the set.

    Raises:
        UserError: the tree, the output folder or the disk is not as it should be.
        KeyboardInterrupt: with what to do next.
    """
    from mmresneskt.data.imagenet10.command import AGAIN, prepare_folder
    from mmresneskt.runtime.conditions import cores

    args.workers = args.workers or cores()
    try:
        prepare_folder(args)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(AGAIN) from None
