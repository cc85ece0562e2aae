"""mmcv's deformable convolutions (v1 and v2) on torchvision's kernels.

Dai et al., arXiv:1703.06211, and Zhu et al., arXiv:1811.11168. Both libraries
interleave the offsets as y, x; mmcv's v1 names W before H.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import widen


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """Fill output; ``columns``, ``ones`` and im2col_step are mmcv's scratch space."""
    args = _v1_args(geometry)
    output.copy_(_forward(input, weight, offset, None, None, args))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Fill grad_input and grad_offset."""
    grads = _backward(grad_output, input, weight, offset, None, _v1_args(geometry))
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: int,
) -> None:
    """Add ``scale`` times the weight's gradient to grad_weight."""
    # the weight's values do not enter its own gradient, so any tensor of its shape serves
    grads = _backward(grad_output, input, grad_weight, offset, None, _v1_args(geometry))
    grad_weight.add_(grads[1], alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Fill output.

    Where the offsets and masks are those of a larger map than the output, mmcv reads of each
    image's as many as it needs, from the first on, as if they were laid out for the output.
    """
    args, size = _v2_args(geometry), output.shape[2:]
    offset, mask = (_laid_out(t, size) for t in (offset, mask))
    output.copy_(_forward(input, weight, offset, mask, bias if with_bias else None, args))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Fill the five gradients; grad_bias only ``with_bias``.

    Offsets and masks that the forward does not read have none.
    """
    size = grad_output.shape[2:]
    offset, mask = (_laid_out(t, size) for t in (offset, mask))
    grads = _backward(grad_output, input, weight, offset, mask, _v2_args(geometry))
    grad_input.copy_(grads[0])
    grad_weight.copy_(grads[1])
    for target, grad in ((grad_offset, grads[2]), (grad_mask, grads[3])):
        unread = target.shape[1:].numel() - grad.shape[1:].numel()
        target.copy_(F.pad(grad.flatten(1), (0, unread)).view_as(target))
    if with_bias:
        grad_bias.copy_(grads[4])


def _laid_out(x: Tensor, size: torch.Size) -> Tensor:
    """The first values of each image of x (N, C, H, W), as (N, C, *size)."""
    count = x.size(1) * size.numel()
    return x if x.shape[2:] == size else x.flatten(1)[:, :count].reshape(*x.shape[:2], *size)


def _v1_args(g: dict[str, int]) -> tuple[int, ...]:
    """torchvision's order: strides, paddings, dilations (each H, W), the two groups."""
    return (
        *(g["dH"], g["dW"], g["padH"], g["padW"], g["dilationH"], g["dilationW"]),
        *(g["group"], g["deformable_group"]),
    )


def _v2_args(g: dict[str, int]) -> tuple[int, ...]:
    return (
        *(g["stride_h"], g["stride_w"], g["pad_h"], g["pad_w"], g["dilation_h"], g["dilation_w"]),
        *(g["group"], g["deformable_group"]),
    )


def _forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    args: tuple[int, ...],
) -> Tensor:
    tensors = widen(input, weight, offset, *_mask_and_bias(input, weight, mask, bias))
    return torch.ops.torchvision.deform_conv2d(*tensors, *args, mask is not None)


def _backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    args: tuple[int, ...],
) -> tuple[Tensor, ...]:
    """Gradients of input, weight, offset, mask and bias."""
    tensors = widen(grad_output, input, weight, offset, *_mask_and_bias(input, weight, mask, None))
    grads = torch.ops.torchvision._deform_conv2d_backward(*tensors, *args, mask is not None)
    inside = _inside(tensors[3], weight.shape[2:], args)
    return (*grads[:2], (grads[2].view_as(inside) * inside).view_as(offset), *grads[3:])


def _inside(offset: Tensor, kernel: torch.Size, args: tuple[int, ...]) -> Tensor:
    """Which of a sample's coordinates have a gradient (N, groups, *kernel, 2, height, width).

    On the line one step before the map, where a sample without an offset lies, torchvision's is
    that of one side, and mmcv's is 0. One step behind the map both are 0.
    """
    size = offset.shape[2:]
    offset = offset.reshape(len(offset), args[-1], *kernel, 2, *size)
    inside = torch.ones_like(offset[:, :, :, :, :1], dtype=torch.bool)
    for axis in (0, 1):
        stride, padding, dilation = args[axis], args[2 + axis], args[4 + axis]
        tap, step = (torch.arange(x, device=offset.device) for x in (kernel[axis], size[axis]))
        at = tap[:, None] * dilation + step * stride - padding
        shape = [1] * 4
        shape[axis], shape[2 + axis] = at.shape
        inside &= (offset[:, :, :, :, axis] + at.view(shape) > -1)[:, :, :, :, None]
    return inside.expand_as(offset)


def _mask_and_bias(
    input: Tensor, weight: Tensor, mask: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """torchvision's kernels take tensors where there is no mask or bias, too."""
    return (
        input.new_zeros((input.size(0), 1)) if mask is None else mask,
        input.new_zeros(weight.size(0)) if bias is None else bias,
    )
