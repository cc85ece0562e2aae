"""A hook that writes down what a process of a distributed run saw: for test_distributed.py."""

import json
import os
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class RecordHook(Hook):
    """Losses of each iteration, and the parameters at the end, into ``folder/rankN``."""

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
