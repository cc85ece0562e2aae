"""What a fresh model on a CPU does not do: be sure of an object, and take a GPU's operators."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from mmcv.ops import multi_scale_deform_attn
from torch import Tensor, nn

_SURE = 8.0  # a sigmoid of 0.9997, and as much among eighty classes


def make_sure(model: nn.Module, classes: set[int]) -> int:
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
def as_on_a_gpu() -> Iterator[None]:
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
