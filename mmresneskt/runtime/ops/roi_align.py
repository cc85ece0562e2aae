"""mmcv's ``roi_align``: the average of a bin on torchvision's kernels, the maximum on torch."""

import torch
from torch import Tensor

from . import roi_align_max
from .precision import widen

MAXIMUM = 0


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool input (N, C, H, W) over rois (M, 5) into output (M, C, height, width).

    With the maximum, argmax_y and argmax_x, of the output's shape, are filled too.
    """
    if pool_mode == MAXIMUM:
        how = (spatial_scale, sampling_ratio, aligned)
        roi_align_max.forward(input, rois, output, argmax_y, argmax_x, *how)
        return
    input, rois = widen(input, rois)
    output.copy_(
        torch.ops.torchvision.roi_align(
            input, rois, spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill grad_input (N, C, H, W)."""
    if pool_mode == MAXIMUM:
        roi_align_max.backward(grad_output, rois, argmax_y, argmax_x, grad_input)
        return
    grad_output, rois = widen(grad_output, rois)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois,
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )
