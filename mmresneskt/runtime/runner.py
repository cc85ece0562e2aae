"""Build mmengine's Runner for a command, with errors that speak to a person."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .config.datasets import dataloaders
from .distributed import close_group, prepare
from .errors import UserError, explain
from .fault_tolerance import explain_writing, fault_tolerant, is_disk_full
from .preflight import check_datasets


def set_loader_defaults(cfg: Config) -> None:
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
        runner = fault_tolerant(kind).from_cfg(cfg)
    except Exception as error:
        raise UserError(explain(error)) from error
    _count_accumulation(runner)
    return runner


def _count_accumulation(runner: Runner) -> None:
    """Scale the learning rate by all images of a step, of which a loader's batch may be a part.

    mmengine compares with the batch alone. The config stays as it is, for it is dumped and read
    again; FlexibleRunner's strategy has the settings too.
    """
    batches = (runner.cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
    strategy = getattr(runner, "strategy", None)
    for holder, name in ((runner, "auto_scale_lr"), (strategy, "_auto_scale_lr")):
        scale = getattr(holder, name, None)
        if scale and scale.get("enable") and batches > 1:
            base = scale["base_batch_size"] / batches
            setattr(holder, name, {**scale, "base_batch_size": base})
            runner.logger.info(
                f"A step takes {batches} batches (accumulative_counts): the batch size is "
                f"compared with auto_scale_lr.base_batch_size / {batches} = {base:g}"
            )


def run_checked(runner: Runner, what: str, check: bool = True) -> None:
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
        if _is_gone(error, runner.work_dir):
            raise UserError(
                f"the work folder {runner.work_dir} was removed or moved while the run wrote to "
                f"it. Put it back and start with --resume, or start anew"
            ) from error
        if is_disk_full(error):
            reason = explain_writing(error, runner.work_dir)
            raise UserError(
                f"{error.filename or runner.work_dir} cannot be written: {reason}. Free some; "
                f"--resume goes on from the last checkpoint"
            ) from error
        if started.value:
            raise
        raise UserError(explain(error)) from error


def _is_gone(error: Exception, folder: str) -> bool:
    missing = isinstance(error, FileNotFoundError) and error.filename
    # the folder itself may have been made again by who has saved a checkpoint
    return bool(missing) and Path(str(missing)).absolute().is_relative_to(Path(folder).absolute())


class _Started(Hook):
    """Notes that the first iteration has begun."""

    value = False

    def _before_iter(self, *args: object, **kwargs: object) -> None:
        self.value = True
