"""``tools/prepare_imagenet10.py``: the paper's ten classes from ImageNet-1K."""

from __future__ import annotations

import argparse
import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from ..imagenet10 import Images, Maker, Result, Unfinished, find_images, make_plan, prepare
from ..imagenet10 import wrong_counts as find_wrong_counts
from .conditions import cores
from .errors import UserError

_AGAIN = "the same command goes on where it was"


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and build the set.

    Raises:
        UserError: the tree, the output folder or the disk is not as it should be.
        KeyboardInterrupt: with what to do next.
    """
    args = parse_args(argv)
    try:
        _prepare(args)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_AGAIN) from None


def _prepare(args: argparse.Namespace) -> None:
    started = time.monotonic()
    out = Path(args.out)
    try:
        images = find_images(args.root, args.val_labels)
        wrong = find_wrong_counts(images)
        if wrong and not args.allow_other_counts:
            raise UserError(
                f"{images.base} has not the images that ImageNet-1K has:"
                + "".join(f"\n  {line}" for line in wrong)
                + "\nget the missing ones, or go on with what is there: --allow-other-counts"
            )
        _check_apart(out, Path(args.root), images)
        jobs = make_plan(images.train, images.val, args.seed, args.augment)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    maker = Maker(images.base.resolve(), out.resolve(), args.keep_originals)
    settings = dict(seed=args.seed, augment=args.augment)
    try:
        with _progress(len(jobs)) as advance:
            result = prepare(maker, jobs, settings, args.workers, args.max_corrupt, advance)
    except Unfinished as error:
        raise UserError(str(error)) from error
    except BrokenProcessPool as error:
        raise UserError(
            f"a worker process was killed, perhaps for want of memory: {_AGAIN}, and --workers "
            f"with a smaller number needs less"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"the disk of {out} is full: make room, and {_AGAIN}") from error
        raise UserError(str(error)) from error
    _report(out, result, len(jobs), wrong, time.monotonic() - started)


def _check_apart(out: Path, root: Path, images: Images) -> None:
    """The source is never written to.

    Raises:
        ValueError: the output folder is the source, around it or in its images.
    """
    target, base = out.resolve(), images.base.resolve()
    inside = [(base / part).resolve() for part in ("train", "val")]
    if any(target == part or part in target.parents for part in inside):
        raise ValueError(f"{out} is among the images of {root}: name a folder apart from them")
    if target == root.resolve() or target == base or target in base.parents:
        raise ValueError(f"{out} has {base} in it: name a folder apart from the source")


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere; without a thread, since workers are forked."""
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    off = not console.is_terminal
    with Progress(*columns, console=console, auto_refresh=False, disable=off) as bar:
        task = bar.add_task("images", total=total)
        shown = time.monotonic()

        def advance() -> None:
            nonlocal shown
            bar.advance(task)
            if time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                bar.refresh()

        yield advance
        bar.refresh()


def _report(out: Path, result: Result, sources: int, wrong: list[str], seconds: float) -> None:
    done = f"written in {seconds:.0f} s" if result.changed else "complete already, nothing written"
    print(
        f"{out}: {result.counts['train']:,} training and {result.counts['test']:,} test images, "
        f"from {sources - len(result.corrupt):,} of ImageNet's; {done}"
    )
    for line in wrong:
        print(f"not the original's count: {line}")
    for source, reason in result.corrupt:
        print(f"corrupt, left out with its copies: {source}: {reason}")


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="prepare_imagenet10.py",
        description="Build the paper's classification data from ImageNet-1K: ten synsets, 300 of "
        "each class's training images moved to the test images, each centre-cropped to 224x224, "
        "then copies with other rotation, brightness and contrast: 30,000 training and 10,000 "
        "test images. The paper gives no ranges for the copies; here they are 30 degrees either "
        "way and factors of 0.7 to 1.3.",
    )
    parser.add_argument(
        "root",
        metavar="IMAGENET_ROOT",
        help="folder with train/ and val/, or Kaggle's with ILSVRC/Data/CLS-LOC; never changed",
    )
    parser.add_argument("out", metavar="OUT", help="output folder: new, empty, or to go on with")
    parser.add_argument("--seed", type=_at_least(0), default=0, help="of every draw (default 0)")
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
        type=_at_least(0),
        default=0,
        metavar="N",
        help="leave out up to N images that cannot be decoded (default 0)",
    )
    parser.add_argument(
        "--workers",
        type=_at_least(1),
        default=cores(),
        metavar="N",
        help="processes (default: one per core); the result is the same for any number",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)


def _at_least(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return whole_number
