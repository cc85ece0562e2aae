"""Training speed and memory of the rows of Table 3, one step of each in turn."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS
from mmengine.runner import set_random_seed

from mmresneskt.runtime.building import build, scope_of
from mmresneskt.runtime.conditions import conditions
from mmresneskt.runtime.errors import UserError, explain
from mmresneskt.runtime.runner import uses_amp

from .benchmark.speed import step_speeds

_ROUNDS = 7


def row_speed(configs: dict[str, Config]) -> dict:
    """Images per second, spread in per cent and memory in GB of each, and the conditions.

    Each trains, from random weights, on the first batch of its training set.

    Raises:
        UserError: one of them cannot be built, or not for this machine.
    """
    try:
        steps = {name: training_step(cfg) for name, cfg in configs.items()}
    except Exception as error:
        raise UserError(explain(error)) from error
    speeds = step_speeds(steps, _ROUNDS, get_device())
    (amp,) = {uses_amp(cfg) for cfg in configs.values()}
    (batch,) = {cfg.train_dataloader.batch_size for cfg in configs.values()}
    rows = {
        name: dict(
            images_per_second=batch / found.seconds,
            spread=100 * found.spread / found.seconds,
            memory=found.memory / 1e9,
        )
        for name, found in speeds.items()
    }
    memory_is = "the most that PyTorch's allocator held in a step, beyond weights and optimizer"
    if not torch.cuda.is_available():
        memory_is = "what autograd keeps for the backward pass, counted"
    settings = dict(batch_size=batch, amp=amp, rounds=_ROUNDS, memory_is=memory_is)
    return dict(rows=rows, **settings, **conditions())


def training_step(cfg: Config) -> Callable[[], object]:
    """A function that trains on the first batch of a config's training set, once a call."""
    model = revert_sync_batchnorm(build(cfg, cfg.model)).to(get_device())
    model.train()
    with scope_of(cfg):
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        set_random_seed(0)  # the same sizes and flips for each
        batch = pseudo_collate([dataset[i] for i in range(cfg.train_dataloader.batch_size)])
    # the preprocessor writes into the annotations
    return lambda: model.train_step(copy.deepcopy(batch), optimizer)
