"""``tools/test.py``: evaluate a checkpoint, with MMDetection's arguments but TTA's and windows'."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from ..broken_images import guard_images
from ..building import unwrapped
from ..checks import missing_data, report, wrong_channels
from .errors import UserError
from .runner import add_common_arguments, build_runner, configure, run
from .trained import fill, read_checkpoint, weights


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and evaluate.

    Raises:
        UserError: the config, the data or the checkpoint is not as it should be.
    """
    args = parse_args(argv)
    cfg = configure(args)
    cfg.load_from = args.checkpoint
    if args.show_dir:
        _draw_into(cfg, args.show_dir)
    if args.out:
        _dump_into(cfg, args.out)
    report([*missing_data(cfg, ("test",)), *wrong_channels(cfg)])
    runner = build_runner(cfg)
    guard_images(runner)
    _try_weights(runner, args)
    run(runner, "test")


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="test.py", description="Evaluate a checkpoint.")
    add_common_arguments(parser)
    parser.add_argument("checkpoint", help="file or URL of the weights")
    parser.add_argument("--show-dir", help="folder for pictures of the predictions")
    parser.add_argument("--out", help="file (.pkl) for the predictions")
    return parser.parse_args(argv)


def _try_weights(runner: Runner, args: argparse.Namespace) -> None:
    """Refuse a checkpoint that leaves part of the model as it was drawn.

    The runner loads it later, with all that its hooks do to it, and would only log that.
    """
    if isinstance(runner.model, nn.Module):  # FlexibleRunner may build its own later
        given = weights(read_checkpoint(args.checkpoint))
        fill(unwrapped(runner.model), given, args.checkpoint, args.config, extra_allowed=True)


def _draw_into(cfg: Config, folder: str) -> None:
    """Turn on the visualization hook, whose settings differ between the two libraries."""
    hook = cfg.default_hooks.get("visualization")
    if hook is None:
        raise UserError("--show-dir: the config has no default_hooks.visualization")
    folder = str(Path(folder).resolve())  # else it would land inside the work folder
    if cfg.get("default_scope") == "mmpretrain":
        hook.update(enable=True, out_dir=folder)
    else:
        hook.update(draw=True, test_out_dir=folder)


def _dump_into(cfg: Config, filename: str) -> None:
    if Path(filename).suffix not in (".pkl", ".pickle"):
        raise UserError(f"--out {filename}: the name must end in .pkl or .pickle")
    dump = "DumpResults" if cfg.get("default_scope") == "mmpretrain" else "DumpDetResults"
    evaluators = (
        cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    )
    cfg.test_evaluator = [*evaluators, dict(type=dump, out_file_path=filename)]
