"""Evaluate a checkpoint, with MMDetection's arguments but for --tta, --show and --wait-time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmresneskt.runtime.errors import UserError

from .arguments import add_run_arguments

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="file or URL of the weights; default: the best or newest of a work folder",
    )
    parser.add_argument("--show-dir", help="folder for pictures of the predictions")
    parser.add_argument("--out", help="file (.pkl) for the predictions")


def run(args: argparse.Namespace) -> None:
    """Evaluate.

    Raises:
        UserError: the config, the data or the checkpoint is not as it should be.
    """
    from mmresneskt.data.embedded import embedded
    from mmresneskt.runtime.broken_images import guard_images
    from mmresneskt.runtime.pictures.files_hook import PictureFilesHook
    from mmresneskt.runtime.preflight import missing_data, report, wrong_channels
    from mmresneskt.runtime.runner import build_runner, run_checked

    from .config import configure, use_work_folder

    use_work_folder(args)
    if Path(args.config).is_dir():  # whose config a test's own would replace
        args.work_dir = args.work_dir or str(Path(args.config, "test"))
    cfg = configure(args)
    cfg.load_from = args.checkpoint
    shown = Path(args.show_dir).resolve() if args.show_dir else None
    if shown:
        _draw_into(cfg, str(shown))  # resolved, else it would land inside the work folder
    if args.out:
        _dump_into(cfg, args.out)
    report([*missing_data(cfg, ("test",), instead=embedded(cfg)), *wrong_channels(cfg)])
    runner = build_runner(cfg)
    guard_images(runner)
    if shown:
        runner.register_hook(PictureFilesHook(shown))
    _try_weights(runner, args)
    run_checked(runner, "test")


def _try_weights(runner: Runner, args: argparse.Namespace) -> None:
    """Refuse a checkpoint that leaves part of the model as it was drawn.

    The runner loads it later, with all that its hooks do to it, and would only log that.
    """
    from torch import nn

    from mmresneskt.runtime.building import unwrapped
    from mmresneskt.runtime.trained import load_weights, read_checkpoint, weights

    if isinstance(runner.model, nn.Module):  # FlexibleRunner may build its own later
        given = weights(read_checkpoint(args.checkpoint))
        load_weights(
            unwrapped(runner.model), given, args.checkpoint, args.config, extra_allowed=True
        )


def _draw_into(cfg: Config, folder: str) -> None:
    """Turn on the visualization hook, whose settings differ between the libraries."""
    hook = cfg.default_hooks.get("visualization")
    if hook is None:
        raise UserError("--show-dir: the config has no default_hooks.visualization")
    if cfg.get("default_scope") in ("mmpretrain", "mmpose"):
        hook.update(enable=True, out_dir=folder, interval=1)
    elif cfg.get("default_scope") == "mmseg":  # PictureFilesHook says where
        hook.update(draw=True, interval=1)
    else:
        hook.update(draw=True, test_out_dir=folder)


def _dump_into(cfg: Config, filename: str) -> None:
    if Path(filename).suffix not in (".pkl", ".pickle"):
        raise UserError(f"--out {filename}: the name must end in .pkl or .pickle")
    dump = "DumpDetResults" if cfg.get("default_scope", "mmdet") == "mmdet" else "DumpResults"
    evaluators = (
        cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    )
    cfg.test_evaluator = [*evaluators, dict(type=dump, out_file_path=filename)]
