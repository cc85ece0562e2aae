"""Build mmengine's Runner for a command, with errors that speak to a person."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..checkpoint import trust
from ..checks import check_datasets
from ..survival import explain_writing, is_disk_full, surviving
from ..swap import BACKBONES
from .arguments import add_options_argument, add_trust_argument
from .classes import set_classes
from .config import dataloaders, default_work_dir, load_config
from .distributed import close_group, prepare
from .errors import UserError, explain


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that MMDetection's train.py and test.py share."""
    parser.add_argument("config", help="config file, or mmdet::... or mmpretrain::...")
    parser.add_argument(
        "--backbone",
        metavar="NAME[:WEIGHTS]",
        help=f"put this backbone into the config: {', '.join(BACKBONES)}; it starts from its "
        f"public weights, from WEIGHTS (file or URL), or from scratch (WEIGHTS = none)",
    )
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    add_options_argument(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    add_trust_argument(parser)
    # torchrun's predecessors pass it under either name
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def configure(args: argparse.Namespace) -> Config:
    """The config that the common arguments ask for, with its work folder and launcher.

    Raises:
        UserError: see :func:`load_config` and :func:`set_classes`.
    """
    trust(args.trust_checkpoint)
    cfg = load_config(args.config, args.cfg_options, args.backbone)
    set_classes(cfg, (args.cfg_options or {}).get("classes"))
    cfg.work_dir = default_work_dir(cfg, args.config, args.work_dir, args.backbone)
    cfg.launcher = args.launcher
    if cfg.get("default_scope") == "mmpretrain":
        _set_loader_defaults(cfg)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))  # where no launcher has set it
    return cfg


def _set_loader_defaults(cfg: Config) -> None:
    """MMPretrain's own commands add these to every loader of a config that is silent."""
    for loader in dataloaders(cfg).values():
        loader.setdefault("pin_memory", torch.cuda.is_available())
        loader.setdefault("persistent_workers", loader.get("num_workers", 0) > 0)
        loader.setdefault("collate_fn", dict(type="default_collate"))


def use_amp(cfg: Config) -> None:
    """Train in mixed precision, as MM's ``--amp`` does."""
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def uses_amp(cfg: Config) -> bool:
    """Whether a config trains in mixed precision."""
    return cfg.optim_wrapper.get("type") == "AmpOptimWrapper"


def build_runner(cfg: Config) -> Runner:
    """Build the runner with everything it needs for its first step.

    Raises:
        UserError: the checkpoint to load is not there, or the config asks for something
            that cannot be built.
    """
    checkpoint = cfg.get("load_from")
    if checkpoint and "://" not in checkpoint and not Path(checkpoint).expanduser().exists():
        raise UserError(f"checkpoint {checkpoint} does not exist")
    prepare(cfg)
    try:
        kind = RUNNERS.get(cfg.get("runner_type", "Runner"))
        runner = surviving(kind).from_cfg(cfg)
    except Exception as error:
        raise UserError(explain(error)) from error
    return runner


def run(runner: Runner, what: str, check: bool = True) -> None:
    """``runner.train()`` or ``runner.test()``, after a look into the datasets.

    mmengine builds datasets and loads checkpoints in there, before the first iteration.

    Raises:
        UserError: it failed before the first iteration (a dataset or a checkpoint), or the disk
            is full.
    """
    logging.raiseExceptions = False  # else each line that a full disk does not take is a traceback
    started = _Started()
    runner.register_hook(started)
    try:
        if check:
            check_datasets(runner, what)
        getattr(runner, what)()
        close_group()
    except UserError:
        raise
    except Exception as error:
        if is_disk_full(error):
            reason = explain_writing(error, runner.work_dir)
            raise UserError(
                f"{error.filename or runner.work_dir} cannot be written: {reason}. Free some; "
                f"--resume goes on from the last checkpoint"
            ) from error
        if started.value:
            raise
        raise UserError(explain(error)) from error


class _Started(Hook):
    """Notes that the first iteration has begun."""

    value = False

    def _before_iter(self, *args: object, **kwargs: object) -> None:
        self.value = True
