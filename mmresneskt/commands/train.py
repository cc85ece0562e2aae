"""``tools/train.py``: train the model of a config, with MMDetection's command line."""

from __future__ import annotations

import argparse
import sys

from ..broken_images import Budget, guard_images
from ..checks import find_problems, report
from ..survival import LIMITS, Stop, equipped
from ..visualization import CurvesHook
from .distributed import close_group, is_main_process, leave, leave_if_told
from .errors import UserError
from .resume import set_resume
from .runner import add_common_arguments, build_runner, configure, run, use_amp


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and train.

    Raises:
        UserError: the config, the data or a checkpoint is not as it should be.
        SystemExit: all processes of the run end together: a signal, a full disk.
    """
    leave_if_told()
    args = parse_args(argv)
    cfg = configure(args)
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        if "base_batch_size" not in (cfg.get("auto_scale_lr") or {}):
            raise UserError(
                f"--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size; set it to "
                f"the batch size (over all GPUs) that the learning rate is meant for"
            )
        cfg.auto_scale_lr.enable = True
    set_resume(cfg, args.resume)
    if not args.no_check:
        report(find_problems(cfg))
    runner = build_runner(cfg)
    guard_images(runner, args.max_broken_images)
    runner.register_hook(CurvesHook())
    try:
        with equipped(runner, leave, args.on_bad_loss):
            run(runner, "train", check=not args.no_check)
    except Stop as stop:
        if is_main_process():
            print(f"error: {stop}", file=sys.stderr)
        close_group()
        leave(stop.code)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train.py", description="Train a model.")
    add_common_arguments(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; alone, from the newest in the work folder",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision, on a GPU")
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate to the batch size",
    )
    parser.add_argument(
        "--max-broken-images",
        type=Budget,
        default=Budget(),
        metavar="N|SHARE",
        help="train without up to N images that cannot be read, or a share as in 1%%; "
        "default: %(default)s, stop at the first",
    )
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="start without looking for mistakes first, which tools/check.py tells too",
    )
    parser.add_argument(
        "--on-bad-loss",
        choices=LIMITS,
        help="when the loss is nan or infinite: stop (the default), skip the batch (at most "
        f"{LIMITS['skip']} times), or take the last checkpoint's weights (rollback, at most "
        f"{LIMITS['rollback']} times)",
    )
    return parser.parse_args(argv)
