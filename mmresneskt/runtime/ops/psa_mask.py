"""mmcv's ``psamask``: Zhao et al., PSANet (ECCV 2018), section 3.3.

Each position has a map of attention around itself, larger than the features; what is inside the
features becomes a row (distribute) or a column (collect) of a matrix over all positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

COLLECT = 0


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fill output (N, H * W, H, W) from input (N, h_mask * w_mask, H, W)."""
    mask, half = (h_mask, w_mask), (half_h_mask, half_w_mask)
    which, inside = _entries((h_feature, w_feature), mask, half, input.device)
    matrix = input.flatten(2).gather(1, which.expand(num_, -1, -1)) * inside
    output.copy_(_oriented(matrix, psa_type).view_as(output))


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fill grad_input (N, h_mask * w_mask, H, W). It can be differentiated again."""
    mask, half = (h_mask, w_mask), (half_h_mask, half_w_mask)
    which, inside = _entries((h_feature, w_feature), mask, half, grad_output.device)
    matrix = _oriented(grad_output.flatten(2), psa_type) * inside
    total = torch.zeros_like(grad_input).flatten(2)
    grad_input.copy_(total.scatter_add(1, which.expand(num_, -1, -1), matrix).view_as(grad_input))


def _oriented(matrix: Tensor, psa_type: int) -> Tensor:
    return matrix if psa_type == COLLECT else matrix.transpose(1, 2)


def _entries(
    size: tuple[int, int], mask: tuple[int, int], half: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """For each pair of positions (to, from), the channel of "from", and whether it has one."""
    axes = []
    for n, entries, middle in zip(size, mask, half):
        at = torch.arange(n, device=device)
        nth = at[:, None] - at + middle
        axes.append((nth.clamp(0, entries - 1), (nth >= 0) & (nth < entries)))
    (row, in_row), (column, in_column) = axes
    # (to's row, to's column, from's row, from's column)
    which = row[:, None, :, None] * mask[1] + column[None, :, None, :]
    inside = in_row[:, None, :, None] & in_column[None, :, None, :]
    positions = size[0] * size[1]
    return which.reshape(positions, positions), inside.reshape(positions, positions)
