"""Table 3: how a row is trained by a recipe, and what is read off the run."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.config import Config

from mmresneskt.data.classes import set_trained_classes
from mmresneskt.network.swap.swap_backbone import swap_backbone
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError

from .run_folder import test_in, train_in
from .schedule import adapted
from .tables import CONFIGS, TABLE3, DetectionRow

RECIPES = {
    "coco": "faster_rcnn_resneskt50.py",
    "voc": "faster_rcnn_resneskt50_voc.py",
    "voc_gpu": "faster_rcnn_resneskt50_voc.py",
    "parcels": "faster_rcnn_resneskt_parcels.py",
}
# what a recipe sets in its config: voc's for one GPU, whose learning rate grows by the square root
# of the batch's growth, as Adam's does
_SET: dict[str, dict[str, object]] = {
    "voc_gpu": {
        "scale": (640, 480),
        "max_epochs": 12,
        "train_cfg.val_interval": 4,
        "train_dataloader.batch_size": 4,
        "train_dataloader.num_workers": 4,
        "val_dataloader.batch_size": 8,
        "test_dataloader.batch_size": 8,
        "optim_wrapper.optimizer.lr": 3e-4,
        "auto_scale_lr.base_batch_size": 4,
    }
}
_THEIRS = "resneskt50"  # the backbone that these configs have
EVALUATED_ON = "test"
_METRICS = {
    "ap": "coco/bbox_mAP",
    "ap50": "coco/bbox_mAP_50",
    "ap75": "coco/bbox_mAP_75",
    "ap_small": "coco/bbox_mAP_s",
    "ap_medium": "coco/bbox_mAP_m",
    "ap_large": "coco/bbox_mAP_l",
}


def rows_of(recipe: str) -> tuple[DetectionRow, ...]:
    """The rows that a recipe is for: from scratch the paper's, which have 50 layers, alone.

    Raises:
        UserError: there is no such recipe.
    """
    if recipe not in RECIPES:
        raise UserError(f"table3 has no recipe {recipe}: choose from {', '.join(RECIPES)}")
    return tuple(row for row in TABLE3 if recipe == "coco" or row.ap != "-")


def row_config(name: str, recipe: str, options: dict | None = None) -> Config:
    """The config of a recipe with a row's backbone in it.

    On COCO that brings its public weights and image normalisation; the other recipes train from
    scratch, and nothing but the backbone differs.

    Args:
        options: as :func:`load_config` takes them.

    Raises:
        UserError: the backbone's library is not installed.
    """

    def swap(cfg: Config) -> Config:
        if name == _THEIRS and cfg.model.backbone.depth == 50:  # the demonstration's has fewer
            return cfg
        try:
            swapped = swap_backbone(cfg, name if recipe == "coco" else f"{name}:none")
        except ValueError as error:
            raise UserError(str(error)) from error
        if recipe != "coco":
            swapped.model.data_preprocessor = cfg.model.data_preprocessor
        return swapped

    options = {**_SET.get(recipe, {}), **(options or {})}
    return load_config(str(CONFIGS / RECIPES[recipe]), options, swap)


def run_config(
    row: DetectionRow,
    recipe: str,
    epochs: int | None = None,
    data: str | None = None,
    amp: bool = False,
    classes: tuple[str, ...] | None = None,
) -> Config:
    """The config of a row for the data of a recipe, ``coco``, ``voc`` or ``parcels``.

    Args:
        classes: of the checkpoint that is evaluated, where the training data decided them.

    Raises:
        UserError: the data is not there, where the classes are read from it.
    """
    cfg = row_config(row.name, recipe, {"data_root": data} if data else {})
    set_trained_classes(cfg, classes)
    if classes:
        cfg.classes = list(classes)  # for the process that evaluates
    if cfg.get("auto_scale_lr"):
        cfg.auto_scale_lr.enable = True  # the COCO recipe's rate is for eight GPUs
    return adapted(cfg, epochs, amp)


def run(cfg: Config, seed: int, folder: Path) -> dict[str, float]:
    """Train, or go on training, and evaluate the last epoch on the test set.

    Raises:
        UserError: either of them failed.
    """
    train_in(folder, cfg, seed)
    return evaluate(cfg, folder / f"epoch_{cfg.train_cfg.max_epochs}.pth", folder)


def evaluate(
    cfg: Config, checkpoint: Path, folder: Path, trusted: bool = False
) -> dict[str, float]:
    """AP and its kin on the test set in per cent, and the detector's parameters in M.

    Args:
        trusted: load the checkpoint even if it asks for more than weights need.

    Raises:
        UserError: the evaluation failed.
    """
    metrics = json.loads(test_in(folder / "test", cfg, checkpoint, trusted).read_text())
    # mmengine rounds nothing, MMDetection to three digits; an AP of -1 stays -1
    figures = {
        name: metrics[key] if metrics[key] < 0 else round(100 * metrics[key], 1)
        for name, key in _METRICS.items()
    }
    parameters = sum(p.numel() for p in build(cfg, cfg.model).parameters())
    return dict(**figures, params=parameters / 1e6)
