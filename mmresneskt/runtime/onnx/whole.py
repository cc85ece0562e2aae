"""Detectors and classifiers from an image to their results, as modules that can be traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..errors import UserError
from .preprocess import Preprocess
from .traceable import paste

_OPERATORS = ("RoIAlign", "MultiScaleDeformableAttention", "SigmoidFocalLoss", "SoftmaxFocalLoss")
"""Of mmcv's operators those that ONNX has, or that prediction does without."""


class Detector(nn.Module):
    """An image -> boxes (K, 4), scores (K,), labels (K,), and masks (K, H, W) where it has any.

    The image is (H, W, 3), RGB, uint8, and the boxes are in its pixels. Without ``transforms`` it
    is (1, 3, H, W), normalised and of a size that the model takes as it is.

    Args:
        model: MMDetection's, in eval mode.
        transforms: of the test pipeline.

    Raises:
        UserError: it is none that can be exported, as far as can be told beforehand.
    """

    def __init__(self, model: BaseModel, transforms: Sequence[Callable] | None) -> None:
        super().__init__()
        _check_detector(model)
        self.model = model
        self.roi_head = getattr(model, "roi_head", None)
        self.preprocess = None
        if transforms is not None:
            self.preprocess = Preprocess(transforms, model.data_preprocessor)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        own, x, factors = torch._shape_as_tensor(image)[-2:], image, torch.ones(2)
        size = own
        if self.preprocess is not None:
            own = torch._shape_as_tensor(image)[:2]
            x, size, factors = self.preprocess(image)
        # the library's setter would copy, and so cut, what is traced
        sample = BaseDataElement()
        shape = tuple(x.shape[2:])
        known = dict(img_shape=size.unbind(), ori_shape=own.unbind(), batch_input_shape=shape)
        known |= dict(pad_shape=shape, scale_factor=factors.flip(0).unbind())
        for name, value in known.items():
            sample.set_field(value, name, field_type="metainfo")
        found = self.model.predict(x, [sample], rescale=False)[0].pred_instances
        real = torch.nonzero(found.scores > 0)[:, 0]  # no placeholders
        boxes = found.bboxes[real] / factors.flip(0).repeat(2)
        results = (boxes, found.scores[real], found.labels[real])
        if "masks" not in found:
            return results
        if self.roi_head is None:
            raise UserError(f"the masks of {type(self.model.bbox_head).__name__} are not supported")
        masks = paste(found.masks[real], boxes, own)
        return (*results, masks >= self.roi_head.test_cfg.mask_thr_binary)


class Classifier(nn.Module):
    """An image (H, W, 3), RGB, uint8 -> the probabilities of its classes (1, C).

    Without ``transforms`` images (N, 3, H, W), normalised, -> (N, C).

    Args:
        model: MMPretrain's, in eval mode.
        transforms: of the test pipeline.

    Raises:
        UserError: it is none that can be exported, as far as can be told beforehand.
    """

    def __init__(self, model: BaseModel, transforms: Sequence[Callable] | None) -> None:
        super().__init__()
        from mmpretrain.models.heads import ClsHead

        if not isinstance(head := getattr(model, "head", None), ClsHead):
            raise UserError(
                f"{type(model).__name__} with {type(head).__name__} does not choose one class of "
                f"several: --backbone-only exports it without its last step"
            )
        self.model = model
        self.preprocess = None
        if transforms is not None:
            self.preprocess = Preprocess(transforms, model.data_preprocessor)

    def forward(self, image: Tensor) -> Tensor:
        if self.preprocess is not None:
            image, *_ = self.preprocess(image)
        return self.model(image).softmax(1)


def score_threshold(model: BaseModel) -> float:
    """Under which a detector gives no boxes."""
    settings = model.test_cfg or {}
    return float((settings.get("rcnn") or settings).get("score_thr") or 0)


def _check_detector(model: BaseModel) -> None:
    from mmdet.models.detectors import DetectionTransformer, SingleStageDetector, TwoStageDetector

    kind = type(model).__name__
    instead = "--backbone-only exports its backbone"
    known = isinstance(model, (DetectionTransformer, SingleStageDetector, TwoStageDetector))
    if not known or not (hasattr(model, "roi_head") or hasattr(model, "bbox_head")):
        raise UserError(f"{kind} is no detector that can be exported as a whole: {instead}")
    for module in model.modules():
        name = type(module).__name__
        if type(module).__module__.startswith("mmcv.ops") and name not in _OPERATORS:
            raise UserError(f"{kind} has {name}, which ONNX Runtime has not: {instead}")
        settings = getattr(module, "test_cfg", None)
        suppression = settings.get("nms") if isinstance(settings, dict) else None
        if suppression and suppression.get("type", "nms") != "nms":
            raise UserError(
                f"{kind} suppresses boxes by {suppression['type']}, which ONNX has not: "
                f"--cfg-options model.test_cfg... with type nms, or {instead}"
            )
    mask_head = getattr(getattr(model, "roi_head", None), "mask_head", None)
    if isinstance(mask_head, nn.ModuleList):
        raise UserError(f"{kind} has masks in several stages, which no trace keeps: {instead}")
