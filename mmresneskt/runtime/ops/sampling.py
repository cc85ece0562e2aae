"""Bilinear sampling as mmcv's RoI operators do it, and the maximum of many samples."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor


def corners(point: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The four pixels around each point (..., 2), x before y, of a map of ``size`` (H, W).

    Returns:
        Their indices in the flattened map and their weights, (..., 4) each. Up to a pixel outside
        the map a point is moved to the edge; beyond it the weights are zero.
    """
    height, width = size
    limit = point.new_tensor([width, height])
    inside = ((point >= -1) & (point <= limit)).all(-1, keepdim=True)
    # not a number is nowhere, and no index either
    point = point.nan_to_num().clamp(min=0).minimum(limit - 1)
    low = point.floor()
    high = (low + 1).minimum(limit - 1)
    (x, y), (left, top), (right, bottom) = (t.unbind(-1) for t in (point - low, low, high))
    weights = torch.stack(((1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x), dim=-1)
    pixels = [
        v * width + u for v in (top.long(), bottom.long()) for u in (left.long(), right.long())
    ]
    return torch.stack(pixels, dim=-1), weights * inside


def sample(maps: Tensor, which: Tensor, point: Tensor) -> Tensor:
    """(..., C): the values of maps (N, H, W, C) at points (..., 2), each of the map ``which``."""
    _, height, width, channels = maps.shape
    pixels, weights = corners(point, (height, width))
    pixels = pixels + (which * (height * width))[..., None]
    found = F.embedding_bag(
        pixels.flatten(0, -2),
        maps.reshape(-1, channels),
        per_sample_weights=weights.flatten(0, -2),
        mode="sum",
    )
    return found.view(*point.shape[:-1], channels)


def spread(grad: Tensor, which: Tensor, point: Tensor, grad_maps: Tensor) -> None:
    """Add grad (..., C), that of :func:`sample`, to grad_maps (N, H, W, C), contiguous."""
    _, height, width, channels = grad_maps.shape
    pixels, weights = corners(point, (height, width))
    pixels = pixels + (which * (height * width))[..., None]
    flat = grad_maps.view(-1, channels)
    for pixel, weight in zip(pixels.unbind(-1), weights.unbind(-1)):
        flat.index_add_(0, pixel.flatten(), (grad * weight[..., None]).reshape(-1, channels))


def turn(vector: Tensor, angle: Tensor) -> Tensor:
    """Vectors (..., 2), x before y, turned by angles (...), in radians, from x towards y."""
    (x, y), cos, sin = vector.unbind(-1), angle.cos(), angle.sin()
    return torch.stack((cos * x - sin * y, sin * x + cos * y), dim=-1)


def largest(samples: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The largest of many tensors of one shape, and which of them it is, the first of equals.

    Where all are -inf that is -1. There must be one tensor at least.
    """
    best: Tensor
    which: Tensor
    for i, values in enumerate(samples):
        if not i:
            best = torch.full_like(values, -torch.inf)
            which = torch.full_like(values, -1, dtype=torch.long)
        better = values > best
        best = torch.where(better, values, best)
        which = which.masked_fill(better, i)
    return best, which
