"""Build the set, with a progress bar and errors that speak to a person."""

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

from mmresneskt.runtime.errors import UserError

from . import Images, Maker, Result, Unfinished, find_images, make_plan, prepare
from . import wrong_counts as find_wrong_counts

AGAIN = "the same command goes on where it was"


def prepare_folder(args: argparse.Namespace) -> None:
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
            f"a worker process was killed, perhaps for want of memory: {AGAIN}, and --workers "
            f"with a smaller number needs less"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"the disk of {out} is full: make room, and {AGAIN}") from error
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
