"""Build the paper's classification data from ImageNet-1K.

Ten synsets, 300 of each class's training images moved to the test images, each centre-cropped
to 224x224, then copies with other rotation, brightness and contrast: 30,000 training and 10,000
test images. The paper gives no ranges for the copies; here they are 30 degrees either way and
factors of 0.7 to 1.3.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from mmresneskt.runtime.errors import UserError, printable

from .arguments import at_least

_AGAIN = "the same command goes on where it was"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root",
        metavar="IMAGENET_ROOT",
        help="folder with train/ and val/, or Kaggle's with ILSVRC/Data/CLS-LOC; never changed",
    )
    parser.add_argument("out", metavar="OUT", help="output folder: new, empty, or to go on with")
    parser.add_argument(
        "--classes",
        choices=("paper", "author"),
        default="paper",
        help="the ten that the paper names, or those of its author's training script "
        "(default %(default)s)",
    )
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
        type=Path,
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
    from concurrent.futures.process import BrokenProcessPool

    from mmresneskt.data.imagenet10.build import build
    from mmresneskt.data.imagenet10.plan import make_plan
    from mmresneskt.data.imagenet10.source import find_images, wrong_counts
    from mmresneskt.runtime.conditions import cores
    from mmresneskt.runtime.fault_tolerance.disk_full import is_disk_full

    started = time.monotonic()
    out = Path(args.out)
    settings = dict(
        classes=args.classes,
        seed=args.seed,
        augment=args.augment,
        keep_originals=args.keep_originals,
    )
    try:
        images = find_images(Path(args.root), args.val_labels, args.classes)
        wrong = wrong_counts(images)
        if wrong and not args.allow_other_counts:
            raise UserError(
                f"{images.base} has not the images that ImageNet-1K has:",
                *(f"  {line}" for line in wrong),
                "get the missing ones, or go on with what is there: --allow-other-counts",
            )
        base, target = images.base.resolve(), out.resolve()
        _check_apart(target, base, args)
        jobs = make_plan(images.train, images.val, args.seed, args.augment)
        made = build(base, target, jobs, settings, args.workers or cores(), args.max_corrupt)
    except BrokenProcessPool as error:
        raise UserError(
            f"a worker process was killed, perhaps for want of memory: {_AGAIN}, and --workers "
            f"with a smaller number needs less"
        ) from error
    except OSError as error:
        if is_disk_full(error):
            raise UserError(f"the disk of {out} is full: make room, and {_AGAIN}") from error
        raise UserError(str(error)) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_AGAIN) from None
    train = sum(line["path"].startswith("train/") for line in made.lines)
    seconds = time.monotonic() - started
    print(
        f"{out}: {train:,} training and {len(made.lines) - train:,} test images, from "
        f"{len(jobs) - len(made.corrupt):,} of ImageNet's; "
        + (f"written in {seconds:.0f} s" if made.written else "complete already")
    )
    for line in wrong:
        print(f"not the original's count: {line}")
    for source, why in made.corrupt.items():
        print(printable(f"corrupt, left out with its copies: {source}: {why}"))


def _check_apart(target: Path, base: Path, args: argparse.Namespace) -> None:
    """The source is never written to."""
    parts = [(base / part).resolve() for part in ("train", "val")]
    around = (Path(args.root).resolve(), base, *base.parents)
    if target in around or any(target.is_relative_to(part) for part in parts):
        raise UserError(f"{args.out} is around or among the images: name a folder apart from them")
