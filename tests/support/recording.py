"""Hooks of distributed runs: one writes down what a process saw, one takes a process away."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class RecordHook(Hook):
    """Losses of each iteration, and the parameters at the end, into ``folder/rankN``.

    A test has its rank among the metrics; rank 1 comes to its end last.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.losses = []

    def before_train(self, runner):
        (self.folder / f"pid{get_rank()}").write_text(str(os.getpid()))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs["loss"].item())

    def after_train(self, runner):
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        name = f"rank{get_rank()}"
        torch.save(model.state_dict(), self.folder / f"{name}.pth")
        record = dict(losses=self.losses, iterations=runner.iter)
        (self.folder / f"{name}.json").write_text(json.dumps(record))

    def after_test_epoch(self, runner, metrics=None):
        runner.message_hub.update_scalar("test/rank", float(get_rank()))
        time.sleep(get_rank())


@HOOKS.register_module(force=True)
class LoseHook(Hook):
    """After an iteration of the first start, rank 1 is lost to the other.

    Args:
        how: ``cut off`` (its connections are) or ``hung`` (it does nothing any more).
    """

    priority = "VERY_LOW"

    def __init__(self, how, iteration):
        self.how = how
        self.iteration = iteration

    def after_train_iter(self, runner, *args, **kwargs):
        again = os.environ["TORCHELASTIC_RESTART_COUNT"] != "0"
        if again or get_rank() != 1 or runner.iter + 1 != self.iteration:
            return
        if self.how == "hung":
            os.kill(os.getpid(), signal.SIGSTOP)
        for link in Path("/proc/self/fd").iterdir():
            if link.exists() and os.readlink(link).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(link.name))) as end:
                    if end.type == socket.SOCK_STREAM and end.family != socket.AF_UNIX:
                        end.shutdown(socket.SHUT_RDWR)
