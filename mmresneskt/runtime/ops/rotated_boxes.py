"""mmcv's ``box_iou_rotated``, ``nms_rotated`` and the sorting behind ``diff_iou_rotated_2d``.

A rotated box (5,) is x and y of its centre, width, height, and the angle in radians by which it is
turned from the x axis towards the y axis.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .precision import at_least_float32
from .sampling import turn

IOU = 0
_PAIRS = 2**18
"""Pairs of boxes at a time: it bounds the memory, to about 60 MiB in float32."""
_BLOCK = 256
"""Boxes of which the suppression is decided one after the other."""
_NO_AREA = 1e-14
_SAME = 1e-8
_CORNERS = 8
"""Of a pair's 24 vertices these come first: the corners of both boxes."""
_MOST = 8
"""Corners that the common part of two boxes can have."""


def box_iou_rotated(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode_flag: int, aligned: bool
) -> None:
    """Fill ious (M * N,), or (M,) if aligned, of boxes (M, 5) and (N, 5).

    ``mode_flag`` 0 divides by the union, 1 by the first box. A box without an area has 0.
    """
    first, second = at_least_float32(bboxes1, bboxes2)
    found = _iou(first, second, mode_flag) if aligned else _ious(first, second, mode_flag)
    ious.copy_(found.view_as(ious))


def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Indices (K,) of the boxes kept, by descending score.

    A box goes where its IoU with one that is kept is above the threshold, whatever their labels:
    mmcv's kernels do not look at them.

    Args:
        order, dets_sorted: (N,) and (N, 5), or (N, 6) with labels: by descending score.
    """
    boxes = at_least_float32(dets_sorted)[0][:, :5]
    left = torch.arange(len(boxes), device=boxes.device)
    kept = [left[:0]]
    while len(left):
        block, left = left[:_BLOCK], left[_BLOCK:]
        removes = (_ious(boxes[block], boxes[block]) > iou_threshold).cpu()
        stays = torch.ones(len(block), dtype=torch.bool)
        for i in range(len(block)):
            if stays[i]:
                stays[i + 1 :] &= ~removes[i, i + 1 :]
        block = block[stays.to(block.device)]
        kept.append(block)
        left = left[~(_ious(boxes[block], boxes[left]) > iou_threshold).any(0)]
    return order[torch.cat(kept)]


def diff_iou_rotated_sort_vertices_forward(
    vertices: Tensor, mask: Tensor, num_valid: Tensor
) -> Tensor:
    """Indices (B, N, 9) of the vertices of polygons, in order around their middle, the first again.

    They start at the x axis and go towards the y axis. What is left of the nine is an index of a
    vertex that is none, as are all nine of a polygon of less than three corners.

    Args:
        vertices: (B, N, 24, 2), relative to the mean of those that are some: eight corners, then
            crossings of edges.
        mask: (B, N, 24), which of them are some.
        num_valid: (B, N), how many these are.
    """
    y, x = vertices[..., 1], vertices[..., 0]
    angle = torch.atan2(y, x)
    angle = torch.where(angle < 0, angle + 2 * math.pi, angle).masked_fill(~mask, torch.inf)
    order = angle.argsort(dim=-1, stable=True)
    nth = torch.arange(order.size(-1), device=order.device)
    last = (num_valid[..., None] - 1).clamp(min=0)
    before = order.gather(-1, torch.where(nth == 0, last, nth - 1).long())
    gap = torch.maximum(*((t.gather(-1, order) - t.gather(-1, before)).abs() for t in (x, y)))
    # the same corner of both boxes counts once; by rounding there can still be too many
    new = (nth < num_valid[..., None]) & (gap >= _SAME)
    chosen = gap.masked_fill(~new, -1).topk(_MOST).indices
    places = torch.where(new.gather(-1, chosen), chosen, len(nth)).sort(-1).values
    count = (places < len(nth)).sum(-1, keepdim=True)
    corners = order.gather(-1, places.clamp(max=len(nth) - 1))
    corners = torch.cat((corners, corners[..., :1]), dim=-1)
    slot = torch.arange(_MOST + 1, device=order.device)
    corners = torch.where(slot == count, corners[..., :1], corners)
    none = mask[..., _CORNERS:].int().argmin(-1, keepdim=True) + _CORNERS
    return torch.where((slot <= count) & (count >= 3), corners, none).int()


def _ious(first: Tensor, second: Tensor, mode: int = IOU) -> Tensor:
    """(M, N), of boxes (M, 5) and (N, 5)."""
    ious = first.new_zeros(len(first), len(second))
    reach, other = (boxes[:, 2:4].norm(dim=1) / 2 for boxes in (first, second))
    rows = max(_PAIRS // max(len(second), 1), 1)
    exact = "donot_use_mm_for_euclid_dist"
    for start in range(0, len(first), rows):
        part = slice(start, start + rows)
        far = torch.cdist(first[part, :2], second[:, :2], compute_mode=exact)
        i, j = (far <= reach[part, None] + other).nonzero(as_tuple=True)
        ious[part][i, j] = _iou(first[part][i], second[j], mode)
    return ious


def _iou(first: Tensor, second: Tensor, mode: int) -> Tensor:
    """(P,), of pairs of boxes (P, 5) each."""
    area, other = (boxes[:, 2:4].prod(1) for boxes in (first, second))
    common = _common_area(first, second).minimum(area).minimum(other)
    whole = area + other - common if mode == IOU else area
    return (common / whole).masked_fill((area < _NO_AREA) | (other < _NO_AREA), 0)


def _common_area(first: Tensor, second: Tensor) -> Tensor:
    """The area (P,) that pairs of boxes have in common.

    By Green's theorem: in the axes of the second box, which is low <= (x, y) <= high there, it is
    the integral of clamp(y, low, high) dx along those parts of the first box's edges where
    low <= x <= high. Unlike a polygon of their crossings this has no cases, and no rounding makes
    a corner more or less.
    """
    corner = first.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    corner = turn(corner * first[:, None, 2:4].abs(), (first[:, 4] - second[:, 4])[:, None])
    middle = turn(second[:, :2] - first[:, :2], -second[:, 4])
    half = second[:, 2:4].abs() / 2
    low, high = (t[:, None] for t in (middle - half, middle + half))
    # what both integrands have in common cancels around the box: the less of it, the better
    shift = torch.zeros_like(low).clamp(low, high)
    x, y = (corner - shift).unbind(-1)
    (left, bottom), (right, top) = ((t - shift).unbind(-1) for t in (low, high))

    end_x, end_y = x.roll(-1, 1), y.roll(-1, 1)
    start, end = x.clamp(left, right), end_x.clamp(left, right)
    run = torch.where(end_x == x, 1, end_x - x)
    ys = torch.stack([y + (at - x) / run * (end_y - y) for at in (start, end)])
    lower, upper = ys.aminmax(dim=0)
    below = upper.minimum(bottom) - lower.minimum(bottom)
    above = upper.maximum(top) - lower.maximum(top)
    start_y, end_y = lower.clamp(bottom, top), upper.clamp(bottom, top)
    within = (end_y - start_y) * (end_y + start_y) / 2
    mean = (bottom * below + within + top * above) / (upper - lower)
    mean = torch.where(upper > lower, mean, start_y)
    return ((start - end) * mean).sum(1).clamp(min=0)
