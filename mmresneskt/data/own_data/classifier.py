"""The config of a classifier for folders of classes."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from mmresneskt.data.classes import set_classes
from mmresneskt.data.layouts.found import Found
from mmresneskt.network.swap.swap_backbone import swap_backbone
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError, explain

from . import recipe
from .splits import Splits

_OWN = "mmresneskt::resneskt50_folder.py"
_BATCH = 32


def classifier_config(
    found: Found, splits: Splits, files: dict[str, Path], wishes: recipe.Wishes
) -> Config:
    """The config of folders of photographs, with all that follows from the data.

    Raises:
        UserError: a detector is asked for, or the backbone cannot be put in.
    """
    if wishes.detector:
        raise UserError(
            f"--detector {wishes.detector}: {found.root} holds {found.layout} and no boxes: leave "
            f"it out, and a classifier is trained"
        )
    cfg = load_config(_OWN)
    try:
        cfg = swap_backbone(cfg, wishes.backbone)
    except ValueError as error:
        raise UserError(f"--backbone {wishes.backbone}: {explain(error)}") from error
    trained = len(splits["train"])
    batch = wishes.batch or min(_BATCH, trained)
    side = recipe.side(found, splits, wishes.size)
    read, pack = dict(type="LoadImageFromFile"), dict(type="PackInputs")
    cut = [
        dict(type="ResizeEdge", scale=side, edge="short"),
        dict(type="CenterCrop", crop_size=side),
    ]
    padded = dict(type="RandomCrop", crop_size=side, padding=side // 8, padding_mode="reflect")
    flip = dict(type="RandomFlip", prob=0.5, direction="horizontal")
    cfg.train_pipeline = [read, *cut, padded, flip, pack]
    cfg.test_pipeline = [read, *cut, pack]
    cfg.data_root = str(found.root)
    for split, file in files.items():
        pipeline = cfg.train_pipeline if split == "train" else cfg.test_pipeline
        dataset = dict(
            type="CustomDataset", data_root=cfg.data_root, ann_file=str(file), pipeline=pipeline
        )
        cfg[f"{split}_dataloader"] = recipe.loader(dataset, batch, split == "train")
    base = cfg.auto_scale_lr.base_batch_size
    recipe.set_schedule(cfg, trained, batch, recipe.epochs(trained, batch, wishes.epochs))
    recipe.scale_learning_rate(cfg, batch, base)
    recipe.keep_best(cfg, "accuracy/top1")
    set_classes(cfg, found.classes)
    for key in ("size", "folder", "evaluated", "max_epochs"):
        cfg.pop(key, None)
    return cfg
