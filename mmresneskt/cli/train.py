"""Train a model."""

from __future__ import annotations

import argparse
import shlex
import sys

from mmresneskt.runtime.errors import UserError, explain, printable

from . import own_data
from .arguments import add_run_arguments

_BAD_LOSS = ("stop", "skip", "rollback")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, optional=True)
    own_data.add_arguments(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; alone, from the newest in the work folder",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision, on a GPU")
    parser.add_argument(
        "--auto-scale-lr", action="store_true", help="scale the learning rate to the batch size"
    )
    parser.add_argument(
        "--max-broken-images",
        default="0",
        metavar="N|SHARE",
        help="train without up to N images that cannot be read, or a share as in 1%%; "
        "default: %(default)s, stop at the first",
    )
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="start without looking for mistakes first, which `mmresneskt check` tells too",
    )
    parser.add_argument(
        "--on-bad-loss",
        choices=_BAD_LOSS,
        help="when the loss is nan or infinite: stop (the default), skip the batch (at most 10 "
        "times), or take the last checkpoint's weights (rollback, at most 3 times)",
    )
    parser.add_argument(
        "--no-report", action="store_true", help="end without a report.html in the work folder"
    )


def run(args: argparse.Namespace) -> None:
    """Train.

    Raises:
        UserError: the config, the data or a checkpoint is not as it should be.
        SystemExit: all processes of the run end together: a signal, a full disk.
    """
    from mmresneskt.data.embedded import embedded
    from mmresneskt.runtime.broken_images import Budget, guard_images
    from mmresneskt.runtime.distributed import close_group
    from mmresneskt.runtime.fault_tolerance import Stop, handle_failures
    from mmresneskt.runtime.fault_tolerance.resume import set_resume
    from mmresneskt.runtime.launcher import is_main_process, leave, leave_if_told
    from mmresneskt.runtime.pictures.curves_hook import CurvesHook
    from mmresneskt.runtime.preflight import find_problems, report
    from mmresneskt.runtime.report.sources import COMMAND
    from mmresneskt.runtime.runner import build_runner, run_checked, use_amp
    from mmresneskt.runtime.work_folder import claimed

    from .config import configure

    leave_if_told()
    budget = Budget(args.max_broken_images)
    own_data.use_data(args)
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
    with claimed(cfg.work_dir):
        set_resume(cfg, args.resume)
        if not args.no_check:
            report(find_problems(cfg, instead=embedded(cfg)))
        runner = build_runner(cfg)
        guard_images(runner, budget)
        runner.register_hook(CurvesHook())
        runner.logger.info(f"{COMMAND}{_command()}")
        try:
            with handle_failures(runner, leave, args.on_bad_loss):
                run_checked(runner, "train", check=not args.no_check)
        except Stop as stop:
            if is_main_process():
                print(f"error: {stop}", file=sys.stderr)
            close_group()
            leave(stop.code)
        if is_main_process() and not args.no_report:
            _write_report(cfg.work_dir)


def _command() -> str:
    """This command line; a script of tools/ takes the same arguments."""
    given = sys.argv[2:] if sys.argv[1:2] == ["train"] else sys.argv[1:]
    return printable(shlex.join(["mmresneskt", "train", *given]))


def _write_report(work_dir: str) -> None:
    """Write it if the run has evaluated; what goes wrong is a line, for the run has not failed."""
    from mmresneskt.runtime.pictures.curves import read_scalars
    from mmresneskt.runtime.report import write_report

    try:
        if read_scalars(work_dir)[1]:
            print(printable(f"report: {write_report(work_dir)}"))
    except Exception as error:
        print(printable(f"no report: {explain(error)}"), file=sys.stderr)
