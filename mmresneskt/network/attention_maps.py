"""What the spatial attention of a trained backbone does with an image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmresneskt.runtime.pipeline import test_pipeline

from .spatial_kernel_attention import SpatialKernelAttention


@dataclass(frozen=True)
class BlockAttention:
    """The spatial attention of one block, for one image."""

    stage: int
    """1 to 4: ``backbone.layer1`` to ``backbone.layer4``."""
    block: int
    """In the stage, from 0 on, as in the names of the weights."""
    gate: np.ndarray
    """(K, H, W): the factor of every position, for each group of channels, float32."""
    weights: np.ndarray
    """(K, branches): the share of each kernel size, for each group; the sum is 1."""
    kernels: tuple[int, ...]
    """The sizes of the kernels, in the order of the weights."""


def spatial_attention(model: BaseModel, image: str | Path) -> list[BlockAttention]:
    """The spatial attention of every block, in the order in which they run.

    The image passes the test pipeline of the model's config and its data_preprocessor,
    then the backbone. The maps cover what the backbone sees, a detector's padding at the
    right and below included. Neither weights nor statistics nor the training mode of any
    module change.

    Args:
        model: a detector or a classifier with a ResNeSkt backbone and its config, as
            MMDetection's ``init_detector`` and MMPretrain's ``get_model`` give it.
        image: its file.

    Raises:
        ValueError: the model has no config, or the backbone no spatial attention.
    """
    return attend(model, image)[0]


def attend(model: BaseModel, image: str | Path) -> tuple[list[BlockAttention], Tensor, Tensor]:
    """:func:`spatial_attention`, what the pipeline made of the image, and the input.

    Returns:
        The blocks; (C, h, w), before the normalisation; (1, C, H, W), which may be
        padded at the right and below.
    """
    cfg = getattr(model, "cfg", None) or getattr(model, "_config", None)
    if cfg is None:
        raise ValueError(f"{type(model).__name__} has no config: load it by init_detector")
    modules = attention_modules(model)
    seen = test_pipeline(cfg)(dict(img_path=str(image), img_id=0))
    found: list[BlockAttention] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_evaluating(model))
        for (stage, block), module in modules.items():
            recorder = _recorder(stage, block, found)
            stack.callback(module.register_forward_pre_hook(recorder).remove)
        inputs = model.data_preprocessor(pseudo_collate([seen]), False)["inputs"]
        model.backbone(inputs)
    return found, seen["inputs"], inputs


def attention_modules(model: nn.Module) -> dict[tuple[int, int], SpatialKernelAttention]:
    """By stage and block, from names like ``layer3.5.spatial_attention`` in the backbone.

    Raises:
        ValueError: there is none.
    """
    backbone = getattr(model, "backbone", None)
    found = {}
    for name, module in backbone.named_modules() if backbone is not None else ():
        if isinstance(module, SpatialKernelAttention):
            layer, block = name.split(".")[:2]
            found[int(layer.removeprefix("layer")), int(block)] = module
    if not found:
        raise ValueError(
            f"{type(backbone).__name__} has no spatial attention: the backbone must be a ResNeSkt "
            f"with spatial_attention=True"
        )
    return found


def _recorder(stage: int, block: int, found: list[BlockAttention]):
    """A hook that appends what the module is about to do: afterwards V is written over."""

    def record(module: SpatialKernelAttention, inputs: tuple[Tensor, ...]) -> None:
        gate, weights = (part[0].float().cpu().numpy() for part in module.attention(inputs[0]))
        found.append(BlockAttention(stage, block, gate, weights, module.sizes))

    return record


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode, flag by flag: ``train()`` would not give every module its own mode back."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
