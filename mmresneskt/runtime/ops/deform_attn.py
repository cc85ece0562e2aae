"""mmcv's ``ms_deform_attn`` on torch's ``grid_sample``: Zhu et al., arXiv:2010.04159, equation (3).

The tensors are ``value`` (N, keys, heads, C), whose keys are the positions of all levels;
``shapes`` (levels, 2), each level's height and width; ``starts`` (levels,), its first key;
``locations`` (N, queries, heads, levels, points, 2), x before y, 0 to 1 over a level; and
``weights`` (N, queries, heads, levels, points).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32

SHARE = 6
"""Nothing larger than this fraction of the value is held at a time: it bounds the memory on top."""


def ms_deform_attn_forward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """The output (N, queries, heads * C)."""
    n, _, heads, channels = value.shape
    (total,) = at_least_float32(value.new_zeros((n, locations.size(1), heads, channels)))
    for level, keys, some_heads, size in _maps(value, shapes, starts):
        features = _features(value[:, keys, some_heads], size)
        each = features.shape[:2].numel() * locations.size(4)
        for chosen in _parts(locations.size(1), value, each):
            at, weight = _points(locations, weights, chosen, some_heads, level)
            sampled = _sample(features, 2 * at - 1).mul_(weight[:, None]).sum(-1)
            total[:, chosen, some_heads] += sampled.unflatten(0, (n, -1)).permute(0, 3, 1, 2)
    return total.flatten(2).to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_locations: Tensor,
    grad_weights: Tensor,
    im2col_step: int,
) -> None:
    """Fill the three gradients. What the forward sampled is sampled again, part by part."""
    n, heads = len(value), value.size(2)
    grad_output = grad_output.unflatten(2, (heads, -1))
    for level, keys, some_heads, size in _maps(value, shapes, starts):
        features = _features(value[:, keys, some_heads], size)
        each = features.shape[:2].numel() * locations.size(4)
        total = torch.zeros_like(features)
        for chosen in _parts(locations.size(1), value, each):
            at, weight = _points(locations, weights, chosen, some_heads, level)
            grid = 2 * at - 1
            grad = grad_output[:, chosen, some_heads].permute(0, 2, 3, 1).flatten(0, 1)
            grad = grad.to(features)[..., None]
            sampled = _sample(features, grid)
            _put(grad_weights[:, chosen, some_heads, level], sampled.mul_(grad).sum(1))
            grad_sampled = torch.mul(grad, weight[:, None], out=sampled)
            grad_features, grad_grid = torch.ops.aten.grid_sampler_2d_backward(
                grad_sampled, features, grid, 0, 0, False, [True, True]
            )
            total += grad_features
            # one step outside the map the grid's gradient is that of one side, and mmcv's is 0
            limit = at.new_tensor([size[1], size[0]])
            position = at * limit - 0.5
            inside = ((position > -1) & (position < limit)).all(-1, keepdim=True)
            _put(grad_locations[:, chosen, some_heads, level], 2 * grad_grid * inside)
        grad_value[:, keys, some_heads] = total.flatten(2).unflatten(0, (n, -1)).permute(0, 3, 1, 2)


def _maps(
    value: Tensor, shapes: Tensor, starts: Tensor
) -> Iterator[tuple[int, slice, slice, tuple[int, int]]]:
    """Levels and, of each, some heads at a time: level, its keys, the heads and the map's size."""
    n, _, heads, channels = value.shape
    if not n:
        return
    for level, (start, (height, width)) in enumerate(zip(starts.tolist(), shapes.tolist())):
        keys = height * width
        for some_heads in _parts(heads, value, n * keys * channels):
            yield level, slice(start, start + keys), some_heads, (height, width)


def _features(value: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, height * width, heads, C) as (N * heads, C, height, width)."""
    (value,) = at_least_float32(value)
    return value.permute(0, 2, 3, 1).flatten(0, 1).contiguous().unflatten(2, size)


def _parts(count: int, value: Tensor, each: int) -> Iterator[slice]:
    """Slices of ``count`` things, of ``each`` so many numbers, that hold a share of the value."""
    step = max(value.nbytes // 4 // SHARE // max(each, 1), 1)
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


def _points(
    locations: Tensor, weights: Tensor, queries: slice, heads: slice, level: int
) -> tuple[Tensor, Tensor]:
    """Locations (N * heads, queries, points, 2) and their weights."""
    chosen = (x[:, queries, heads, level] for x in (locations, weights))
    at, weight = (x.transpose(1, 2).flatten(0, 1) for x in at_least_float32(*chosen))
    return at, weight


def _sample(features: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(features, grid, padding_mode="zeros", align_corners=False)


def _put(target: Tensor, source: Tensor) -> None:
    """Write source (N * heads, queries, ...) to target (N, queries, heads, ...)."""
    target.copy_(source.unflatten(0, (len(target), -1)).transpose(1, 2))
