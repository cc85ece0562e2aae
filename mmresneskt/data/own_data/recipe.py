"""What follows from the data for any config: sizes, schedule, loaders."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import torch
from mmengine.config import Config, ConfigDict

from mmresneskt.data.layouts.found import Found

from .splits import Splits

_STEPS = 800
"""Least steps of a training where the number of epochs is not given."""
_LEAST_EPOCHS, _MOST_EPOCHS = 8, 100
_MULTIPLE = 32
_EVALUATIONS = 4


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; None is what follows from the data."""

    backbone: str
    epochs: int | None = None
    size: int | None = None
    batch: int | None = None
    detector: str | None = None


def side(found: Found, splits: Splits, wanted: int | None) -> int:
    """Pixels of the longer side of images in training; of classes, of the square that is cut.

    As large as half of the images are, in multiples of 32, and no larger than suits the device.
    """
    if wanted:
        return wanted
    gpu = torch.cuda.is_available()
    most = (224 if gpu else 128) if found.classifies else (640 if gpu else 320)
    chosen = min if found.classifies else max
    middle = statistics.median(chosen(picture.size) for picture in splits["train"])
    return min(most, max(2, math.ceil(middle / _MULTIPLE)) * _MULTIPLE)


def epochs(images: int, batch: int, wanted: int | None) -> int:
    """As many as give 800 steps, from 8 to 100."""
    steps = math.ceil(images / batch)
    return wanted or min(_MOST_EPOCHS, max(_LEAST_EPOCHS, math.ceil(_STEPS / steps)))


def set_schedule(cfg: Config, images: int, batch: int, count: int) -> None:
    """Epochs with a linear warm-up, then a cosine; evaluation four times and at the end."""
    warm = max(1, min(50, math.ceil(images / batch) * count // 10))
    cfg.train_cfg = ConfigDict(
        type="EpochBasedTrainLoop",
        max_epochs=count,
        val_interval=max(1, count // _EVALUATIONS),
    )
    cfg.val_cfg, cfg.test_cfg = ConfigDict(type="ValLoop"), ConfigDict(type="TestLoop")
    cosine = dict(type="CosineAnnealingLR", T_max=count, end=count, by_epoch=True)
    cfg.param_scheduler = [
        ConfigDict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=warm),
        ConfigDict(**cosine, convert_to_iter_based=True),
    ]
    cfg.auto_scale_lr = ConfigDict(enable=False, base_batch_size=batch)


def scale_learning_rate(cfg: Config, batch: int, base: int) -> None:
    """The learning rate for a batch, of an optimizer that is set for one of ``base``.

    With the batch for SGD, with its root for Adam's kin.
    """
    optimizer = cfg.optim_wrapper.optimizer
    ratio = batch / base
    optimizer.lr *= math.sqrt(ratio) if "Adam" in str(optimizer.type) else ratio


def loader(dataset: dict, batch: int, shuffle: bool) -> ConfigDict:
    """A data loader's settings."""
    return ConfigDict(
        batch_size=batch,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type="DefaultSampler", shuffle=shuffle),
        dataset=dataset,
    )


def keep_best(cfg: Config, metric: str) -> None:
    """Keep the checkpoint that is best on val, beside the two newest."""
    hooks = cfg.default_hooks
    hooks.checkpoint = ConfigDict(
        type="CheckpointHook", interval=1, max_keep_ckpts=2, save_best=metric, rule="greater"
    )
    hooks.logger = ConfigDict(type="LoggerHook", interval=10)
