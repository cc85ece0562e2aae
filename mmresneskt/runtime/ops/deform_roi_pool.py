"""mmcv's ``deform_roi_pool`` on torch's ``grid_sample``.

Dai et al., arXiv:1703.06211, section 2.2, in mmcv's variant: RoIAlign (average, aligned) whose
bins move, each by an offset of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32

SAMPLED = 2**24
"""Values sampled at a time: it bounds the memory, to 64 MiB a tensor in float32."""


def deform_roi_pool_forward(
    input: Tensor, rois: Tensor, offset: Tensor, output: Tensor, **geometry: Any
) -> None:
    """Pool input (N, C, H, W) over rois (M, 5) into output (M, C, height, width).

    ``offset`` (M, 2, height, width) moves the bins along x, y, in RoI sizes times gamma; or
    holds nothing.
    """
    input, rois, offset = _prepare(input, rois, offset, geometry)
    for image, chosen in _chunks(input, rois, geometry):
        pooled = _pool(input[image], rois[chosen], offset[chosen], **geometry)
        output[chosen] = pooled.to(output.dtype)


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    **geometry: Any,
) -> None:
    """Fill grad_input (N, C, H, W) and, unless there are no offsets, grad_offset.

    These are the derivatives of the forward. mmcv's kernel gives another grad_offset where the
    forward moves a sample to the map's edge: it goes by the place before the move.
    """
    input, rois, offset = _prepare(input, rois, offset, geometry)
    total = torch.zeros_like(input)
    for image, chosen in _chunks(input, rois, geometry):
        with torch.enable_grad():
            leaves = [t.detach().requires_grad_() for t in (input[image], offset[chosen])]
            pooled = _pool(leaves[0], rois[chosen], leaves[1], **geometry)
        grads = torch.autograd.grad(pooled, leaves, grad_output[chosen].to(pooled.dtype))
        total[image] += grads[0]
        if grad_offset.numel():
            grad_offset[chosen] = grads[1].to(grad_offset.dtype)
    grad_input.copy_(total)


def _prepare(
    input: Tensor, rois: Tensor, offset: Tensor, geometry: dict[str, Any]
) -> tuple[Tensor, ...]:
    if not offset.numel():
        size = (geometry["pooled_height"], geometry["pooled_width"])
        offset = input.new_zeros((len(rois), 2, *size))
    return at_least_float32(input, rois, offset)


def _chunks(input: Tensor, rois: Tensor, geometry: dict[str, Any]) -> Iterator[tuple[int, Tensor]]:
    """An image's index and the indices of some of its RoIs, until every RoI was chosen."""
    _, _, samples = _bins(rois, **geometry)
    bins = geometry["pooled_height"] * geometry["pooled_width"]
    values = samples.prod(1) * bins * input.size(1)
    for image in rois[:, 0].unique():
        chosen = (rois[:, 0] == image).nonzero()[:, 0]
        chunk = values[chosen].cumsum(0) // SAMPLED
        for part in chosen.split(chunk.unique_consecutive(return_counts=True)[1].tolist()):
            yield int(image), part


def _bins(
    rois: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Start and size of each RoI, and its samples along a bin: (M, 2) each, x before y."""
    start, end = (rois[:, 1:] * spatial_scale - 0.5).split(2, dim=1)
    size = end - start
    if sampling_ratio > 0:
        samples = torch.full_like(size, sampling_ratio)
    else:
        samples = (size / size.new_tensor([pooled_width, pooled_height])).ceil().clamp(min=0)
    return start, size, samples.long()


def _pool(features: Tensor, rois: Tensor, offset: Tensor, **geometry: Any) -> Tensor:
    """Pool one image's features (C, H, W) over rois (M, 5) to (M, C, height, width)."""
    height, width = geometry["pooled_height"], geometry["pooled_width"]
    start, size, samples = _bins(rois, **geometry)
    count = samples.prod(1).repeat_interleave(height * width)
    # the samples of all bins in one list, since RoIs differ in how many they have
    index = torch.arange(len(count), device=rois.device).repeat_interleave(count)
    nth = torch.arange(len(index), device=rois.device) - (count.cumsum(0) - count)[index]
    roi, place = index // (height * width), index % (height * width)
    along_x = samples[roi, 0]
    cell = torch.stack((place % width, place // width), dim=1)
    step = torch.stack((nth % along_x, nth // along_x), dim=1).to(size)
    moved = geometry["gamma"] * size[roi] * offset.flatten(2).transpose(1, 2).flatten(0, 1)[index]
    bin_size = size / size.new_tensor([width, height])
    point = start[roi] + moved + (cell + (step + 0.5) / samples[roi]) * bin_size[roi]

    # up to a pixel outside the map a sample has the edge's value, and beyond it zero
    limit = point.new_tensor([features.size(2), features.size(1)])
    inside = ((point >= -1) & (point <= limit)).all(1)
    index, point = index[inside], point[inside]
    grid = (2 * point + 1) / limit - 1  # pixels' centres in grid_sample's coordinates
    sampled = F.grid_sample(
        features[None], grid[None, None], padding_mode="border", align_corners=False
    )[0, :, 0]
    total = sampled.new_zeros(len(count), len(features)).index_add(0, index, sampled.t())
    pooled = total / count.clamp(min=1)[:, None]
    return pooled.view(len(rois), height, width, -1).permute(0, 3, 1, 2)
