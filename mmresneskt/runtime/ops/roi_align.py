"""mmcv's ``roi_align`` (average) on torchvision's kernels."""

import torch
from torch import Tensor

from .precision import widen

AVERAGE = 1


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
    """Pool input (N, C, H, W) over rois (M, 5) into output (M, C, height, width)."""
    _check_mode(pool_mode)
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
    _check_mode(pool_mode)
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


def _check_mode(pool_mode: int) -> None:
    if pool_mode != AVERAGE:
        raise NotImplementedError(
            "roi_align with pool_mode='max' needs mmcv's compiled operators; torchvision has "
            "pool_mode='avg' only: pip uninstall mmcv-lite && pip install mmcv"
        )
