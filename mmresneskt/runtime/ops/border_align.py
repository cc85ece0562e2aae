"""mmcv's ``border_align``: Qiu et al., arXiv:2007.11056, section 3.2.

Of each box's top, left, bottom and right border the largest of ``pool_size`` + 1 samples, in the
channels of that border.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import at_least_float32
from .sampling import largest, sample, spread


def border_align_forward(
    input: Tensor, boxes: Tensor, output: Tensor, argmax_idx: Tensor, pool_size: int
) -> None:
    """Fill output (N, C, boxes, 4) from input (N, 4 * C, H, W) and boxes (N, boxes, 4).

    argmax_idx, of the output's shape, says which sample was the largest.
    """
    if not output.numel():
        return
    input, boxes = at_least_float32(input, boxes)
    # a map for each image and border
    maps = input.unflatten(1, (4, -1)).flatten(0, 1).permute(0, 2, 3, 1).contiguous()
    start, step = _borders(boxes, pool_size)
    points = (start + i * step for i in range(pool_size + 1))
    best, nth = largest(sample(maps, _which(boxes), point) for point in points)
    output.copy_(best.permute(0, 3, 1, 2))
    argmax_idx.copy_(nth.permute(0, 3, 1, 2))


def border_align_backward(
    grad_output: Tensor, boxes: Tensor, argmax_idx: Tensor, grad_input: Tensor, pool_size: int
) -> None:
    """Fill grad_input (N, 4 * C, H, W)."""
    grad, boxes = at_least_float32(grad_output, boxes)
    n, channels = grad.shape[:2]
    start, step = (t[:, None] for t in _borders(boxes, pool_size))
    channel = torch.arange(channels, device=grad.device)[:, None, None]
    which = _which(boxes)[:, None] * channels + channel
    total = torch.zeros(grad_input.shape, dtype=grad.dtype, device=grad.device)
    point = start + argmax_idx[..., None] * step
    spread(grad[..., None], which.expand_as(grad), point, total.flatten(0, 1)[..., None])
    grad_input.copy_(total)


def _which(boxes: Tensor) -> Tensor:
    """The map of each sample (N, boxes, 4): image by image, border by border."""
    n, count, _ = boxes.shape
    return torch.arange(n * 4, device=boxes.device).view(n, 1, 4).expand(n, count, 4)


def _borders(boxes: Tensor, pool_size: int) -> tuple[Tensor, Tensor]:
    """First sample and step of the four borders, (N, boxes, 4, 2) each, x before y.

    Top and left start at the top left corner, bottom and right at the opposite one.
    """
    first, last = boxes.split(2, dim=2)
    width, height = ((last - first) / pool_size).unbind(-1)
    still = torch.zeros_like(width)
    start = torch.stack((first, first, last, last), dim=2)
    ways = ((width, still), (still, height), (-width, still), (still, -height))
    return start, torch.stack([torch.stack(way, dim=-1) for way in ways], dim=2)
