"""Losses of nan or infinity: caught before they reach the weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, is_distributed
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn

from ..building import unwrapped
from ..distributed import decided
from ..errors import UserError, printable
from ..launcher import LAUNCH
from .newest_valid import newest_valid, require
from .stop import Stop

LIMITS = dict(stop=0, skip=10, rollback=3)
_COUNT = "bad_losses"
_SHOWN = 8  # images in a message


@HOOKS.register_module(force=True)
class BadLossHook(Hook):
    """Look at each loss between forward and backward.

    Only the loss: gradients of infinity, by which AMP's scaler finds its scale, are its own
    affair. Of several processes all do the same if one has a bad loss. A GPU is waited for
    once an iteration, before the backward pass; mmengine waits for it after each iteration
    anyway, to log the losses.

    Args:
        policy: ``stop`` ends the run. ``skip`` leaves the batch out: weights, optimizer and
            the statistics of norms (of which a copy is made before each iteration) are as
            before it. ``rollback`` takes weights and optimizer from the newest valid
            checkpoint of this run and goes on with the next batch at the current learning rate;
            for Runner with one optimizer, not for FlexibleRunner.
        limit: of skipped batches or rollbacks in the run, resumed or not, before it is ended
            after all (default: 10 and 3).

    Raises:
        Stop: from within the training. It names the iteration, the terms and the images.
    """

    def __init__(self, policy: str = "stop", limit: int | None = None) -> None:
        if policy not in LIMITS:
            raise ValueError(f"policy is one of {', '.join(LIMITS)}, not {policy!r}")
        self.policy, self.limit = policy, limit

    def before_train(self, runner: Runner) -> None:
        self._resumed_from = runner._load_from if runner.iter else None
        one_optimizer = not isinstance(runner.optim_wrapper, OptimWrapperDict)
        if self.policy == "rollback" and not (isinstance(runner, Runner) and one_optimizer):
            raise UserError(
                "on a bad loss: rollback is for mmengine's Runner with one optimizer; use skip"
            )
        model = unwrapped(runner.model)
        if not hasattr(model, "parse_losses"):
            print_log(f"the losses of {type(model).__name__} are not looked at", logger="current")
            return
        model.parse_losses = _checked(model.parse_losses)
        runner.model.train_step = self._guarded(runner, model, runner.model.train_step)

    def after_train(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        for owner, name in ((model, "parse_losses"), (runner.model, "train_step")):
            vars(owner).pop(name, None)

    def _guarded(self, runner: Runner, model: nn.Module, train_step: Callable) -> Callable:
        buffers = [b for b in model.buffers() if b.is_floating_point()]
        kept = [b.clone() for b in buffers] if self.policy == "skip" else []

        def guarded(data: Any, optim_wrapper: Any) -> dict:
            _copy(buffers, kept)
            try:
                return train_step(data, optim_wrapper=optim_wrapper)
            except _BadLoss as bad:
                self._act(runner, _describe(runner, bad, data))
                _copy(kept, buffers)
                return {}  # nothing to log, or to average

        return guarded

    def _act(self, runner: Runner, what: str) -> None:
        hub = runner.message_hub
        done = hub.get_info(_COUNT, 0) + 1
        limit = LIMITS[self.policy] if self.limit is None else self.limit
        if self.policy == "stop":
            raise Stop(
                f"{what}. It has not reached the weights. A lower learning rate or gradient "
                f"clipping may avoid it; --on-bad-loss skip leaves such batches out, rollback "
                f"goes back to the last checkpoint"
            )
        if done > limit:
            raise Stop(f"{what}; there were {limit} before, which is the limit")
        hub.update_info(_COUNT, done)
        if self.policy == "skip":
            how = "skipped"
        else:
            how = f"back to {_roll_back(runner, self._resumed_from)}"
        print_log(f"{what}: {how} ({done} of {limit})", logger="current", level=logging.WARNING)


class _BadLoss(Exception):
    """Carries the terms that are not finite in this process, with their values."""


def _checked(parse_losses: Callable) -> Callable:
    def parse_and_check(losses: dict) -> tuple[torch.Tensor, dict]:
        loss, terms = parse_losses(losses)
        bad = (~torch.isfinite(torch.as_tensor(loss).detach())).any().float()
        if is_distributed():
            all_reduce(bad, "max")
        if bad:
            values = {name: float(value) for name, value in terms.items()}
            found = [f"{name}={value}" for name, value in values.items() if not isfinite(value)]
            # the sum tells nothing beside the terms that it is of
            raise _BadLoss([term for term in found if not term.startswith("loss=")] or found)
        return loss, terms

    return parse_and_check


def _describe(runner: Runner, bad: _BadLoss, data: Any) -> str:
    mine = (bad.args[0], list(_images(data)) if bad.args[0] else [])
    everywhere = all_gather_object(mine)
    terms = list(dict.fromkeys(term for names, _ in everywhere for term in names))
    images = [image for _, paths in everywhere for image in paths]
    shown = ", ".join(map(printable, images[:_SHOWN]))
    if len(images) > _SHOWN:
        shown += f" and {len(images) - _SHOWN} more"
    where = f", on {shown}" if images else ""
    return f"the loss of iteration {runner.iter + 1} is not finite: {', '.join(terms)}{where}"


def _images(data: Any) -> Iterator[str]:
    """The paths of a batch's images, wherever its pipeline has put them."""
    if isinstance(data, BaseDataElement):
        data = data.metainfo
    if isinstance(data, dict):
        if isinstance(data.get("img_path"), str):
            yield data["img_path"]
            return
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        for part in data:
            yield from _images(part)


def _roll_back(runner: Runner, resumed_from: str | None) -> str:
    def find() -> str:
        found = newest_valid(runner.work_dir, LAUNCH)
        if found is not None:
            return found.path
        if resumed_from is None:
            raise UserError("there is no checkpoint of this run to go back to")
        require(resumed_from)
        return resumed_from

    try:
        path = decided(find)
    except UserError as error:
        raise Stop(str(error)) from error
    optimizer = runner.optim_wrapper
    rates = [group["lr"] for group in optimizer.param_groups]
    resumed, runner._resume = runner._resume, True  # what EMAHook takes its averages by
    checkpoint = runner.load_checkpoint(path, map_location="cpu")
    runner._resume = resumed
    if "optimizer" in checkpoint:
        optimizer.load_state_dict(checkpoint["optimizer"])
    for group, rate in zip(optimizer.param_groups, rates):
        group["lr"] = rate  # the schedule has gone on since
    optimizer.zero_grad()
    return path


def _copy(source: list[torch.Tensor], target: list[torch.Tensor]) -> None:
    for old, new in zip(source, target):
        new.copy_(old)
