"""mmcv's operators that sample features, or turn a filter, as rotated boxes lie.

RoIAlign of a rotated box, its kind for features of several orientations (Han et al.,
arXiv:2103.07786), the feature alignment of R3Det (Yang et al., arXiv:1908.05612) and the active
rotating filter of S2A-Net (Han et al., arXiv:2008.09397).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .precision import at_least_float32
from .sampling import sample, spread, turn


def roi_align_rotated_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """Pool input (N, C, H, W) over rois (M, 6), image and box, into output (M, C, height, width).

    Angles are in radians; ``clockwise`` goes from the x axis towards the y axis.
    """
    input, rois = at_least_float32(input, rois)
    size = (pooled_height, pooled_width)
    pooled = _pool(input, rois, size, spatial_scale, sampling_ratio, aligned, clockwise)
    output.copy_(pooled.permute(0, 3, 1, 2))


def roi_align_rotated_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """Fill grad_input (N, C, H, W)."""
    grad, rois = at_least_float32(grad_output, rois)
    how = (spatial_scale, sampling_ratio, aligned, clockwise)
    _unpool(grad.permute(0, 2, 3, 1), rois, grad_input, *how)


def riroi_align_rotated_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    num_samples: int,
    num_orientations: int,
    clockwise: bool,
) -> None:
    """Pool features (N, C * orientations, H, W) as above, not aligned, and turn the orientations.

    Those of a box at an angle between two of them are mixed.
    """
    features, rois = at_least_float32(features, rois)
    size = (pooled_height, pooled_width)
    pooled = _pool(features, rois, size, spatial_scale, num_samples, False, clockwise)
    turned = _turn_orientations(pooled, rois[:, 5], num_orientations, 1)
    output.copy_(turned.permute(0, 3, 1, 2))


def riroi_align_rotated_backward(
    top_grad: Tensor,
    rois: Tensor,
    bottom_grad: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    num_samples: int,
    num_orientations: int,
    clockwise: bool,
) -> None:
    """Fill bottom_grad (N, C * orientations, H, W)."""
    grad, rois = at_least_float32(top_grad, rois)
    grad = _turn_orientations(grad.permute(0, 2, 3, 1), rois[:, 5], num_orientations, -1)
    _unpool(grad, rois, bottom_grad, spatial_scale, num_samples, False, clockwise)


def rotated_feature_align_forward(
    features: Tensor, best_bboxes: Tensor, output: Tensor, spatial_scale: float, points: int
) -> None:
    """Add to features (N, C, H, W) those at the middle of each position's box: output, the same.

    Args:
        best_bboxes: (N, H, W, 5), or that flattened. mmcv's kernels take the first number of a
            box for y, the second for x.
        points: 1, or 5 with the four corners.
    """
    features, boxes = at_least_float32(features, best_bboxes)
    maps = features.permute(0, 2, 3, 1).contiguous()
    samples = (sample(maps, *at) for at in _refined(boxes, maps.shape, spatial_scale, points))
    output.copy_(sum(samples, maps).permute(0, 3, 1, 2))


def rotated_feature_align_backward(
    top_grad: Tensor, best_bboxes: Tensor, bottom_grad: Tensor, spatial_scale: float, points: int
) -> None:
    """Fill bottom_grad (N, C, H, W)."""
    grad, boxes = at_least_float32(top_grad, best_bboxes)
    grad = grad.permute(0, 2, 3, 1)
    total = grad.clone(memory_format=torch.contiguous_format)
    for which, point in _refined(boxes, grad.shape, spatial_scale, points):
        spread(grad, which, point, total)
    bottom_grad.copy_(total.permute(0, 3, 1, 2))


def active_rotated_filter_forward(input: Tensor, indices: Tensor, output: Tensor) -> None:
    """Fill output (O * rotations, I * orientations, H, W) with a filter's turned copies.

    Args:
        input: (O, I, orientations, H, W).
        indices: (orientations, H, W, rotations): where each weight goes in each copy, from 1.
    """
    copies = output.view(input.size(0), indices.size(3), input.size(1), -1)
    place = _places(indices)[:, None].expand(copies.shape)
    copies.scatter_(3, place, input.flatten(2)[:, None].expand(copies.shape))


def active_rotated_filter_backward(grad_out: Tensor, indices: Tensor, grad_in: Tensor) -> None:
    """Fill grad_in (O, I, orientations, H, W)."""
    (grad,) = at_least_float32(grad_out)
    copies = grad.reshape(grad_in.size(0), indices.size(3), grad_in.size(1), -1)
    total = copies.gather(3, _places(indices)[:, None].expand(copies.shape)).sum(1)
    grad_in.copy_(total.view_as(grad_in))


def _places(indices: Tensor) -> Tensor:
    return indices.flatten(0, 2).t().long() - 1


def _pool(
    input: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    ratio: int,
    aligned: bool,
    clockwise: bool,
) -> Tensor:
    """(M, height, width, C): the mean of every bin's samples."""
    maps = input.permute(0, 2, 3, 1).contiguous()
    pooled = maps.new_zeros((len(rois), *size, maps.size(3)))
    for some, which, point, share in _samples(rois, size, scale, ratio, aligned, clockwise):
        pooled.index_add_(0, some, sample(maps, which, point) * share)
    return pooled


def _unpool(
    grad: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    scale: float,
    ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """The gradient of :func:`_pool`, of grad (M, height, width, C), into grad_input."""
    n, channels, *pixels = grad_input.shape
    total = grad.new_zeros((n, *pixels, channels))
    size = (grad.size(1), grad.size(2))
    for some, which, point, share in _samples(rois, size, scale, ratio, aligned, clockwise):
        spread(grad[some] * share, which, point, total)
    grad_input.copy_(total.permute(0, 3, 1, 2))


def _samples(
    rois: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool, clockwise: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One sample of each bin at a time.

    Yields:
        Indices (K,) of the RoIs that have such a one, their images, the points (K, height, width,
        2), x before y, and the samples' share in the bin's mean.
    """
    middle, extent = (rois[:, 1:5] * scale).split(2, dim=1)
    angle = rois[:, 5] if clockwise else -rois[:, 5]
    if aligned:
        middle = middle - 0.5
    else:
        extent = extent.clamp(min=1)
    step = extent / extent.new_tensor(size[::-1])
    counts = torch.full_like(step, ratio) if ratio > 0 else step.ceil().clamp(min=0)
    down, across = (torch.arange(n, device=rois.device) for n in size)
    cell = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    columns, rows = counts.amax(0).long().tolist() if len(rois) else (0, 0)
    for i in range(rows * columns):
        nth = counts.new_tensor([i % columns, i // columns])
        some = (nth < counts).all(1).nonzero()[:, 0]
        within = (cell + ((nth + 0.5) / counts[some])[:, None, None]) * step[some, None, None]
        vector = turn(within - extent[some, None, None] / 2, angle[some, None, None])
        which = rois[some, 0].long()[:, None, None].expand(-1, *size)
        share = 1 / counts[some].prod(1)[:, None, None, None]
        yield some, which, middle[some, None, None] + vector, share


def _turn_orientations(pooled: Tensor, angle: Tensor, orientations: int, way: int) -> Tensor:
    """Move what is pooled (..., C * orientations) on by the angles, or, way -1, the gradient back.

    An angle between two orientations shares between them.
    """
    by = angle * orientations / (2 * math.pi)
    whole, part = by.floor().long(), by - by.floor()
    values = pooled.unflatten(-1, (-1, orientations))
    nth = torch.arange(orientations, device=angle.device)
    turned = torch.zeros_like(values)
    for steps, share in ((whole, 1 - part), (whole - 1, part)):
        source = (nth - way * steps[:, None]) % orientations
        moved = values.gather(-1, source[:, None, None, None].expand_as(values))
        turned += moved * share[:, None, None, None, None]
    return turned.flatten(-2)


def _refined(
    boxes: Tensor, shape: torch.Size, scale: float, points: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, H, W) and points (N, H, W, 2), x before y, of boxes (N, H, W, 5) on such a map."""
    boxes = boxes.reshape(*shape[:3], 5)
    which = torch.arange(shape[0], device=boxes.device)[:, None, None].expand(shape[:3])
    middle = boxes[..., :2].flip(-1) * scale
    yield which, middle
    if points > 1:
        for corner in ([1, 1], [-1, 1], [-1, -1], [1, -1]):
            half = boxes[..., 2:4] * scale / 2 * boxes.new_tensor(corner)
            yield which, middle + turn(half, boxes[..., 4])
