"""Checkpoints as runs leave them, and what can happen to a file."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import TensorDataset

from mmresneskt.runtime.checkpoint import CheckpointError, load_file


class Tiny(BaseModel):
    """A model that mmengine trains in milliseconds."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 1))

    def forward(self, x: torch.Tensor, y: torch.Tensor, mode: str) -> dict | torch.Tensor:
        out = self.layers(x)
        return dict(loss=nn.functional.mse_loss(out, y)) if mode == "loss" else out


def train(folder: Path, hooks: list[dict] = (), resume: str | None = None) -> Runner:
    """A run of mmengine, of two epochs, that has saved ``epoch_1.pth`` and ``epoch_2.pth``."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, 4, generator=generator)
    data = dict(
        batch_size=4,
        dataset=TensorDataset(x, x.sum(1, keepdim=True)),
        sampler=dict(type="DefaultSampler", shuffle=True),
        collate_fn=dict(type="default_collate"),
    )
    runner = Runner(
        model=Tiny(),
        work_dir=str(folder),
        train_dataloader=data,
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type="AdamW", lr=1e-3)),
        param_scheduler=dict(type="LinearLR", start_factor=0.5, end=4, by_epoch=False),
        custom_hooks=list(hooks),
        load_from=resume and str(folder / resume),
        resume=resume is not None,
        experiment_name=f"damage-{random.getrandbits(64):x}",
        log_level="ERROR",
        default_scope="mmengine",
    )
    runner.train()
    return runner


def same(a: object, b: object) -> bool:
    """Equal to the bit, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, HistoryBuffer):
        return same(vars(a), vars(b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b


def damaged(content: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """``count`` damaged copies of a file with what was done, all over its length.

    The file is cut into ranges, one for each copy; in its range, a copy is cut off, has a bit
    or a byte or up to 64 bytes changed, or is zeros from there to the end, as after a crash.
    """
    generator = random.Random(seed)
    for number in range(count):
        start = number * len(content) // count
        at = generator.randrange(start, max(start + 1, (number + 1) * len(content) // count))
        kind = ("cut", "bit", "byte", "bytes", "zeros")[number % 5]
        copy = bytearray(content)
        if kind == "cut":
            del copy[at:]
        elif kind == "zeros":
            copy[at:] = bytes(len(copy) - at)
        elif kind == "bit":
            copy[at] ^= 1 << generator.randrange(8)
        else:
            length = 1 if kind == "byte" else generator.randrange(2, 65)
            for place in range(at, min(at + length, len(copy))):
                copy[place] ^= generator.randrange(1, 256)
        yield f"{kind} at {at} of {len(content)}", bytes(copy)


def outcome(file: Path, right: dict | None) -> str:
    """The message with which a checkpoint is refused; "" if it loads right, "wrong" if not."""
    try:
        loaded = load_file(file)
    except CheckpointError as error:
        message = str(error)
        assert message.isprintable()
        assert file.name in message
        assert len(message) < 500
        return message
    return "" if same(loaded, right) else "wrong"


def tally(file: Path, folder: Path, count: int) -> Counter:
    """How many damaged copies of a file are "refused", load "right", and load "wrong"."""
    right = load_file(file)
    copy = folder / "copy" / file.name  # with the hash that is in the name, if there is one
    copy.parent.mkdir(exist_ok=True)
    found = Counter(refused=0, right=0, wrong=0)
    for what, content in damaged(file.read_bytes(), count):
        copy.write_bytes(content)
        message = outcome(copy, right)
        found[{"": "right", "wrong": "wrong"}.get(message, "refused")] += 1
        if message == "wrong":
            print(f"{file.name}: {what}")
    return found
