"""mmcv's ``prroi_pool``: Jiang et al., arXiv:1807.11590, equation (4).

The mean over a bin of the map that bilinear interpolation makes of the pixels, zero outside. It
is a product of two integrals of the hat function, one along each axis.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .precision import at_least_float32

VALUES = 2**24
"""Values of the bins' rows at a time: it bounds the memory, to 64 MiB a tensor in float32."""


def prroi_pool_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Pool features (N, C, H, W) over rois (M, 5) into output (M, C, height, width)."""
    features, rois = at_least_float32(features, rois)
    for image, chosen in _chunks(features, rois, pooled_width):
        bins = output.shape[2:]
        output[chosen] = _pool(features[image], rois[chosen], bins, spatial_scale).to(output.dtype)


def prroi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill grad_input (N, C, H, W)."""
    grad, rois = at_least_float32(grad_output, rois)
    total = torch.zeros(grad_input.shape, dtype=grad.dtype, device=grad.device)
    for image, chosen in _chunks(total, rois, pooled_width):
        with torch.enable_grad():
            # the features' values do not enter their own gradient
            features = total[image].detach().clone().requires_grad_()
            pooled = _pool(features, rois[chosen], grad.shape[2:], spatial_scale)
        total[image] += torch.autograd.grad(pooled, features, grad[chosen])[0]
    grad_input.copy_(total)


def prroi_pool_coor_backward(
    output: Tensor,
    grad_output: Tensor,
    features: Tensor,
    rois: Tensor,
    grad_rois: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill grad_rois (M, 5); the image's index has none."""
    grad, features, rois = at_least_float32(grad_output, features, rois)
    for image, chosen in _chunks(features, rois, pooled_width):
        with torch.enable_grad():
            some = rois[chosen].detach().requires_grad_()
            pooled = _pool(features[image], some, grad.shape[2:], spatial_scale)
        found = torch.autograd.grad(pooled, some, grad[chosen])[0]
        grad_rois[chosen] = found.to(grad_rois.dtype)


def _chunks(features: Tensor, rois: Tensor, width: int) -> Iterator[tuple[int, Tensor]]:
    """An image's index and the indices of some of its RoIs, until every RoI was chosen."""
    step = max(VALUES // max(features[0].numel() // features.size(3) * width, 1), 1)
    for image in rois[:, 0].unique().tolist():
        for chosen in (rois[:, 0] == image).nonzero()[:, 0].split(step):
            yield int(image), chosen


def _pool(features: Tensor, rois: Tensor, bins: torch.Size, scale: float) -> Tensor:
    """Pool one image's features (C, H, W) over rois (M, 5) to (M, C, height, width)."""
    x1, y1, x2, y2 = (rois[:, 1:] * scale).unbind(1)
    along_x, width = _weights(x1, x2, bins[1], features.size(2))
    along_y, height = _weights(y1, y2, bins[0], features.size(1))
    with torch.autocast(features.device.type, enabled=False):
        rows = torch.einsum("chw,mqw->mchq", features, along_x)
        total = torch.einsum("mchq,mph->mcpq", rows, along_y)
    area = (width * height)[:, None, None, None]
    return torch.where(area > 0, total / area.where(area > 0, 1), 0)


def _weights(start: Tensor, end: Tensor, bins: int, pixels: int) -> tuple[Tensor, Tensor]:
    """The pixels' integrals over each bin (M, bins, pixels), and the size of a bin (M,)."""
    size = (end - start).clamp(min=0) / bins
    edge = start[:, None] + size[:, None] * torch.arange(bins + 1, device=start.device)
    # the hat is (1 + t) up to 0 and (1 - t) from there to 1: its integral from -1 on
    t = (edge[..., None] - torch.arange(pixels, device=start.device)).clamp(-1, 1)
    until = 0.5 + t - t * t.abs() / 2
    return until[:, 1:] - until[:, :-1], size
