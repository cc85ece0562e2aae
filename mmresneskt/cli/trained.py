"""A trained model for a command that takes images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.structures import BaseDataElement, InstanceData

from mmresneskt.data.classes import set_trained_classes
from mmresneskt.runtime.decoding import read_image
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.trained import (
    build_model,
    dataset_meta,
    load_weights,
    meta_of_test_dataset,
    pipeline,
    read_checkpoint,
    to_device,
    weights,
)

from .config import load

if TYPE_CHECKING:
    from mmresneskt.runtime.onnx.reader import Found

_INFERENCERS = {
    "mmseg": "MMSegmentation's MMSegInferencer",
    "mmpose": "MMPose's MMPoseInferencer",
    "mmrotate": "MMDetection's DetInferencer with scope='mmrotate'",
}


def load_model(args: argparse.Namespace) -> tuple[BaseModel, Config, dict]:
    """A config's model, with the weights of the checkpoint if there is one, and the config.

    Returns:
        Besides what the checkpoint says of the data of its training.

    Raises:
        UserError: the config or the checkpoint is not as it should be.
    """
    cfg = load(args)
    meta: dict = {}
    if args.checkpoint:
        checkpoint = read_checkpoint(args.checkpoint)
        meta = dataset_meta(checkpoint, args.checkpoint)
        set_trained_classes(cfg, meta.get("classes"))
    init_default_scope(cfg.get("default_scope", "mmdet"))  # for what the model looks up later
    model = build_model(cfg, args.config)
    if args.checkpoint:
        load_weights(model, weights(checkpoint), args.checkpoint, args.config)
    return model, cfg, meta


class Trained:
    """A trained model in eval mode with what belongs to it.

    Args:
        args: of :func:`add_trained_arguments`.

    Attributes:
        model: on the device, with its config as ``model.cfg``, as MMDetection's
            ``init_detector`` leaves it.
        pipeline: of the config's test images.
        dataset_meta: that of the checkpoint where it names the classes, else that of the
            config's test dataset.

    Raises:
        UserError: the config, the checkpoint or the device is not as it should be.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        model, cfg, meta = load_model(args)
        self.pipeline = pipeline(cfg, args.config)
        self.dataset_meta = meta if meta.get("classes") else meta_of_test_dataset(cfg)
        self.model: BaseModel = to_device(model, args.device).eval()
        self.model.cfg = cfg

    def read(self, number: int, path: Path) -> tuple[np.ndarray, object]:
        """An image (H, W, 3), RGB, and what :meth:`find` takes of it.

        Raises:
            CorruptImage: it cannot be read.
            Exception: of a transform that the image is too odd for.
        """
        image = read_image(path)[..., ::-1]
        return image, self.pipeline(dict(img_path=str(path), img_id=number))

    def find(self, inputs: list) -> list[Found]:
        """The boxes of each image, in its own pixels; of a classifier one box, the whole image.

        Raises:
            UserError: the model gives no boxes.
        """
        # another model may have been built since, of another library
        scope = self.model.cfg.get("default_scope", "mmdet")
        with torch.no_grad(), DefaultScope.overwrite_default_scope(scope):
            samples = self.model.test_step(pseudo_collate(inputs))
        samples = [sample if "pred_score" not in sample else _as_box(sample) for sample in samples]
        if any("bboxes" not in sample.get("pred_instances", ()) for sample in samples):
            raise UserError(
                f"{type(self.model).__name__} gives no boxes: this is for detectors and classifiers"
            )
        found = [sample.pred_instances.cpu().numpy() for sample in samples]
        return [(boxes.bboxes, boxes.scores, boxes.labels) for boxes in found]


def finder(args: argparse.Namespace) -> Trained:
    """A trained detector or classifier.

    Raises:
        UserError: it is for pixels, poses or turned boxes, or see :class:`Trained`.
    """
    trained = Trained(args)
    other = _INFERENCERS.get(trained.model.cfg.get("default_scope"))
    if other:
        raise UserError(
            f"{type(trained.model).__name__} is no detector of upright boxes and no classifier, "
            f"and this is for these: {other} predicts with it, and mmresneskt test WORK_DIR "
            f"--show-dir FOLDER draws what it finds in its test images"
        )
    return trained


def _as_box(sample: BaseDataElement) -> BaseDataElement:
    """What MMPretrain says of an image as MMDetection says it of a box."""
    score, label = sample.pred_score.max(0)
    height, width = sample.ori_shape
    whole = score.new_tensor([[0, 0, width, height]])
    box = InstanceData(bboxes=whole, scores=score[None], labels=label[None])
    return BaseDataElement(pred_instances=box)
