"""mmcv's ``bbox_overlaps``."""

import torch
from torch import Tensor

from .precision import at_least_float32

IOU = 0


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Fill ious (M, N), or (M,) if aligned, of boxes (M, 4) and (N, 4).

    ``mode`` 0 divides by the union, 1 by the first box; a box's width is x2 - x1 + ``offset``.
    """
    first, second = at_least_float32(bboxes1, bboxes2)
    if not aligned:
        first = first[:, None]
    corners = torch.maximum(first[..., :2], second[..., :2])
    opposite = torch.minimum(first[..., 2:], second[..., 2:])
    overlap = (opposite - corners + offset).clamp(min=0).prod(-1)
    area, other = ((b[..., 2:] - b[..., :2] + offset).prod(-1) for b in (first, second))
    whole = area + other - overlap if mode == IOU else area
    ious.copy_(overlap / whole.clamp(min=offset))
