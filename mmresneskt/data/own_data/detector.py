"""The config of a detector for boxes that were found."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from mmengine.config import Config, ConfigDict

from mmresneskt.data.classes import set_classes
from mmresneskt.data.layouts.found import Found
from mmresneskt.network.swap.swap_backbone import swap_backbone
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.config.tree import nodes
from mmresneskt.runtime.errors import UserError, explain

from . import recipe
from .splits import Splits

_OWN = "mmresneskt::_base_/small_detector.py"
_BATCH = 2
_SMALL_BATCH = 8
"""Images from which on the statistics of a batch are better than those of the weights."""
# of MMDetection's configs: they switch to pipelines that are replaced here
_SWITCHES = ("PipelineSwitchHook", "YOLOXModeSwitchHook")
_LEFT_OVER = ("dataset_type", "backend_args", "file_client_args", "pack_with_boxes", "tta_pipeline")


def detector_config(
    found: Found, splits: Splits, files: dict[str, Path], wishes: recipe.Wishes
) -> Config:
    """A detector's config with all that follows from the data.

    Raises:
        UserError: the config of the detector cannot be read, or its backbone not be replaced.
    """
    name = wishes.detector or _OWN
    cfg = load_config(name)
    base = (cfg.get("auto_scale_lr") or {}).get("base_batch_size", 16) if wishes.detector else 2
    try:
        cfg = swap_backbone(cfg, wishes.backbone)
    except ValueError as error:
        raise UserError(f"--backbone {wishes.backbone}: {name}: {explain(error)}") from error
    batch = wishes.batch or _BATCH
    trained = sum(bool(picture.boxes) for picture in splits["train"])
    side = recipe.side(found, splits, wishes.size)
    masks = any("mask_head" in node for _, node in nodes(cfg.model))
    _set_data(cfg, found, files, batch, side, masks)
    recipe.set_schedule(cfg, trained, batch, recipe.epochs(trained, batch, wishes.epochs))
    recipe.scale_learning_rate(cfg, batch, base)
    recipe.keep_best(cfg, "coco/bbox_mAP")
    set_classes(cfg, found.classes)
    backbone = next(node["backbone"] for _, node in nodes(cfg.model) if "backbone" in node)
    if backbone.get("init_cfg") and "norm_eval" in backbone:
        backbone.norm_eval = batch < _SMALL_BATCH
    _set_anchors(cfg, splits, side)
    cfg.setdefault("randomness", ConfigDict(seed=0))
    hooks = cfg.get("custom_hooks") or []
    cfg.custom_hooks = [hook for hook in hooks if hook["type"] not in _SWITCHES]
    for key in _LEFT_OVER:
        cfg.pop(key, None)
    return cfg


def _set_data(
    cfg: Config, found: Found, files: dict[str, Path], batch: int, side: int, masks: bool
) -> None:
    read = dict(type="LoadImageFromFile")
    resize = dict(type="Resize", scale=(side, side), keep_ratio=True)
    boxes = dict(type="LoadAnnotations", with_bbox=True, with_mask=masks)
    flip = dict(type="RandomFlip", prob=0.5)
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    pack = dict(type="PackDetInputs", meta_keys=keys)
    cfg.train_pipeline = [read, boxes, resize, flip, dict(type="PackDetInputs")]
    cfg.test_pipeline = [read, resize, boxes, pack]
    cfg.data_root = str(found.root)
    cfg.dataset_type = "CocoDataset"

    def dataset(split: str, **others: object) -> dict:
        return dict(
            type="CocoDataset",
            data_root=cfg.data_root,
            ann_file=str(files[split]),
            data_prefix=dict(img=""),
            **others,
        )

    kept = dict(filter_cfg=dict(filter_empty_gt=True), pipeline=cfg.train_pipeline)
    cfg.train_dataloader = recipe.loader(dataset("train", **kept), batch, shuffle=True)
    cfg.train_dataloader.batch_sampler = ConfigDict(type="AspectRatioBatchSampler")
    for split in ("val", "test"):
        tested = dataset(split, test_mode=True, pipeline=cfg.test_pipeline)
        cfg[f"{split}_dataloader"] = recipe.loader(tested, 4, shuffle=False)
        metric = ["bbox", "segm"] if masks else "bbox"
        cfg[f"{split}_evaluator"] = ConfigDict(
            type="CocoMetric", ann_file=str(files[split]), metric=metric
        )


def _set_anchors(cfg: Config, splits: Splits, side: int) -> None:
    """Anchors as small as all but the smallest tenth of the boxes, and as slender as they are."""
    sides, slender = [], []
    for picture in splits["train"]:
        factor = side / max(picture.size)
        sides += [factor * math.sqrt(b.width * b.height) for b in picture.boxes]
        slender += [b.height / b.width for b in picture.boxes]
    small, large = np.quantile(sides, [0.1, 0.95])
    thin, tall = np.quantile(slender, [0.05, 0.95])
    ratios = [*([0.25] if thin < 1 / 3 else []), 0.5, 1.0, 2.0, *([4.0] if tall > 3 else [])]
    for _, node in nodes(cfg.model):
        anchors = node.get("anchor_generator") or {}
        key = next((k for k in ("scales", "octave_base_scale") if anchors.get(k)), None)
        # a single ratio is part of the method, as in ATSS
        if anchors.get("type") != "AnchorGenerator" or not key or len(anchors["ratios"]) < 2:
            continue
        strides = anchors["strides"]
        # a box of twice the side of the largest anchor, or half of the smallest, is still met
        least = 2 ** math.ceil(math.log2(large / (2 * max(strides))))
        scale = max(1, least, min(8, 2 ** math.floor(math.log2(small / min(strides)))))
        anchors[key] = scale if key == "octave_base_scale" else [scale]
        anchors["ratios"] = ratios
