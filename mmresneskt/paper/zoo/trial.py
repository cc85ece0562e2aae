"""Does a config still work with another backbone? Build, training steps, one prediction."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from mmcv.ops import multi_scale_deform_attn
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmresneskt.network.spatial_kernel_attention import SpatialKernelAttention
from mmresneskt.network.timm_features import TimmFeatures
from mmresneskt.runtime.building import scope_of
from mmresneskt.runtime.config.tree import nodes
from mmresneskt.runtime.distributed import replace_sync_bn

from .inputs import synthetic_batch

_LARGEST_GRADIENT = 35.0
"""The norm at which MMDetection's and MMRotate's schedules clip."""
_SURE = 8.0  # a sigmoid of 0.9997, and as much among eighty classes


def trial(cfg: Config, device: str = "cpu", steps: int = 3) -> None:
    """Build a config's model, take training steps, and predict, on synthetic images.

    It is as sure of objects as one that has learnt (:func:`_make_sure`): some ways, of training
    too, are taken above a threshold only.

    Of a tracker or a semi-supervised model, which train on videos or on two kinds of
    batches, the whole is built, and its detector takes the steps.

    Args:
        device: where all of this happens; on a CPU BN takes the place of SyncBN.

    Raises:
        Exception: whatever the model raises.
        AssertionError: the loss is not finite, a spatial attention or a trained part of a network
            of timm gets no gradient, or the prediction is incomplete or, of a detector that is
            sure, empty.
    """
    cfg = copy.deepcopy(cfg)
    _leave_out_downloads(cfg.model)
    if "size" in (cfg.model.get("data_preprocessor") or {}):  # to which MMSegmentation pads
        cfg.model.data_preprocessor.update(size=None, size_divisor=32)
    if device == "cpu":
        replace_sync_bn(cfg.model)
    torch.manual_seed(0)
    # a runner counts there, and some losses read it
    for counter in ("iter", "epoch"):
        MessageHub.get_current_instance().update_info(counter, 0)
    with scope_of(cfg):
        model = MODELS.build(cfg.model)
        model.init_weights()
        if "detector" in cfg.model:
            # a semi-supervised model has its detector twice, as student and as teacher
            model = model.student if hasattr(model, "student") else model.detector
            cfg.model = cfg.model.detector
            if "data_preprocessor" not in cfg.model:
                cfg.model.data_preprocessor = dict(type="DetDataPreprocessor")
                model.data_preprocessor = MODELS.build(cfg.model.data_preprocessor)
        model.to(device)
        batch = synthetic_batch(cfg)
        classes = {n for _, node in nodes(cfg.model) if type(n := node.get("num_classes")) is int}
        sure = _make_sure(model, classes)
        with _as_on_a_gpu():
            for _ in range(steps):
                _train_a_step(model, copy.deepcopy(batch))
            _predict(model, batch, sure > 0)


def _make_sure(model: nn.Module, classes: set[int]) -> int:
    """Bias what scores classes to the first one, so that its scores pass every threshold.

    Meant are layers named after classes, their logits or a heat map, with as many outputs as
    classes, with or without one for the background, or a multiple.

    Args:
        classes: the numbers of classes in the config.

    Returns:
        How many layers were changed.
    """
    numbers = {1, *classes, *(number + 1 for number in classes)}
    changed = 0
    for name, module in model.named_modules():
        named = any(word in name for word in ("cls", "heat", "logits", "class_embed"))
        if not named or not isinstance(module, (nn.Conv2d, nn.Linear)) or module.bias is None:
            continue
        fitting = [number for number in numbers if module.bias.numel() % number == 0]
        if fitting and "convs" not in name:
            with torch.no_grad():
                module.bias.view(-1, max(fitting))[:, 0] = _SURE
            changed += 1
    return changed


@contextlib.contextmanager
def _as_on_a_gpu() -> Iterator[None]:
    """Deformable attention by the operator that mmcv takes on a GPU, on the CPU too."""

    def attend(value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        sizes = shapes.prod(1)
        starts = sizes.cumsum(0) - sizes
        function = multi_scale_deform_attn.MultiScaleDeformableAttnFunction
        return function.apply(value, shapes, starts, locations, weights, value.size(0))

    theirs = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch
    multi_scale_deform_attn.multi_scale_deformable_attn_pytorch = attend
    try:
        yield
    finally:
        multi_scale_deform_attn.multi_scale_deformable_attn_pytorch = theirs


def _train_a_step(model: BaseModel, batch: dict) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    model.train()
    data = model.data_preprocessor(batch, True)
    loss, _ = model.parse_losses(model(**data, mode="loss"))
    assert loss.isfinite(), f"the loss is {loss.item()}"
    loss.backward()
    # one that is sure of objects everywhere would unlearn it in a step, so wrong it is
    nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    without = [
        name
        for prefix, module in model.backbone.named_modules()
        if isinstance(module, (SpatialKernelAttention, TimmFeatures))
        for name, parameter in module.named_parameters(prefix)
        if parameter.requires_grad and parameter.grad is None
    ]
    assert not without, f"without gradient: {', '.join(without)}"


def _predict(model: BaseModel, batch: dict, sure: bool) -> None:
    model.eval()
    for name, module in model.named_modules():
        # untrained, some throw boxes out of the image, where MMDetection pastes no mask on CPUs
        if name.endswith("fc_reg") and isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
    # one image at a time, as some heads want it
    for index in range(len(batch["inputs"])):
        one = {key: values[index : index + 1] for key, values in batch.items()}
        with torch.no_grad():
            results = model.test_step(one)
        assert len(results) == 1, f"{len(results)} results for one image"
        found = results[0].get("pred_instances")
        assert found is None or len(found) or not sure, "no object is found"


def _leave_out_downloads(model: ConfigDict) -> None:
    """Weights of teachers and other parts, which have nothing to do with the swap."""
    for _, part in nodes(model):
        if "teacher_ckpt" in part:
            part["teacher_ckpt"] = None
        if isinstance(part.get("init_cfg"), dict) and part["init_cfg"]["type"] == "Pretrained":
            del part["init_cfg"]
