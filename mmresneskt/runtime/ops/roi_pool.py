"""mmcv's ``roi_pool`` on torchvision's kernels: Girshick, arXiv:1504.08083, in mmcv's variant.

torchvision rounds an RoI's corners to whole pixels before it is cut into bins, and mmcv does not:
only the bins' edges are, outwards. So each bin is an RoI of its own here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import at_least_float32


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Pool input (N, C, H, W) over rois (M, 5) into output (M, C, height, width).

    argmax, of the output's shape, is the pixel in its map, or -1 where a bin has none: 0 there.
    """
    if not output.numel():
        return
    input, rois = at_least_float32(input, rois)
    bins = _bins(rois, spatial_scale, (pooled_height, pooled_width), input.shape[2:])
    found = torch.ops.torchvision.roi_pool(input, bins, 1.0, 1, 1)
    empty = (bins[:, 3:] < bins[:, 1:3]).any(1)[:, None, None, None]
    for target, source, nothing in zip((output, argmax), found, (0, -1)):
        source = source.masked_fill(empty, nothing).unflatten(0, (len(rois), pooled_height, -1))
        target.copy_(source.flatten(3).permute(0, 3, 1, 2))


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill grad_input (N, C, H, W)."""
    grad, rois = at_least_float32(grad_output, rois)
    grad_input.copy_(
        torch.ops.torchvision._roi_pool_backward(
            grad, rois, argmax, spatial_scale, pooled_height, pooled_width, *grad_input.shape
        )
    )


def _bins(rois: Tensor, scale: float, bins: tuple[int, int], size: torch.Size) -> Tensor:
    """Image, first and last pixel of every bin, x before y: (M * height * width, 5)."""
    height, width = bins
    start, end = rois[:, 1:3] * scale, (rois[:, 3:] + 1) * scale
    step = (end - start) / start.new_tensor([width, height])
    edges = []
    for axis, (count, pixels) in enumerate(((width, size[1]), (height, size[0]))):
        nth = torch.arange(count + 1, device=rois.device)
        edge = nth * step[:, axis, None] + start[:, axis, None]
        edges += [edge[:, :-1].floor().clamp(0, pixels), edge[:, 1:].ceil().clamp(0, pixels) - 1]
    left, right, top, bottom = edges
    # an RoI without a size has no pixels
    right = right.masked_fill((end <= start).any(1, keepdim=True), -1)
    columns = (left[:, None], top[..., None], right[:, None], bottom[..., None])
    image = rois[:, 0, None, None]
    return torch.stack(torch.broadcast_tensors(image, *columns), dim=-1).flatten(0, 2)
