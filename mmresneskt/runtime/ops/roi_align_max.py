"""mmcv's ``roi_align`` with pool_mode "max": the largest of a bin's samples."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .precision import at_least_float32
from .sampling import largest, sample, spread


def forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Fill output (M, C, height, width), and where each value was sampled, -1 for nowhere.

    A bin without a sample holds 0. In mmcv it is -10000 on a CPU, the lowest number on a GPU.
    """
    if not output.numel():
        return
    input, rois = at_least_float32(input, rois)
    maps, which = input.permute(0, 2, 3, 1).contiguous(), rois[:, 0].long()[:, None, None]
    bins = output.shape[2:]
    start, end = (rois[:, 1:] * spatial_scale - (0.5 if aligned else 0)).split(2, dim=1)
    size = end - start
    if not aligned:
        size = size.clamp(min=1)
    step = size / size.new_tensor([bins[1], bins[0]])
    if sampling_ratio > 0:
        counts = torch.full_like(step, sampling_ratio).long()
    else:
        counts = step.ceil().clamp(min=0).long()
    columns, rows = (max(n, 1) for n in counts.amax(0).tolist())
    across, down = (torch.arange(n, device=rois.device) for n in (bins[1], bins[0]))
    cell = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    corner = start[:, None, None] + cell * step[:, None, None]  # (M, height, width, 2), x before y
    spacing = (step / counts)[:, None, None]

    def samples() -> Iterator[Tensor]:
        for i in range(rows * columns):
            nth = counts.new_tensor([i % columns, i // columns])
            values = sample(maps, which.expand(-1, *bins), corner + (nth + 0.5) * spacing)
            missing = (nth >= counts).any(1)[:, None, None, None]
            yield values.masked_fill(missing, -torch.inf)

    best, nth = largest(samples())
    nowhere = nth < 0
    output.copy_(best.masked_fill(nowhere, 0).permute(0, 3, 1, 2))
    for axis, (argmax, steps) in enumerate(((argmax_x, nth % columns), (argmax_y, nth // columns))):
        at = corner[..., axis, None] + (steps + 0.5) * spacing[..., axis, None]
        argmax.copy_(at.masked_fill(nowhere, -1).permute(0, 3, 1, 2))


def backward(
    grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor
) -> None:
    """Fill grad_input (N, C, H, W)."""
    grad, x, y = at_least_float32(grad_output, argmax_x, argmax_y)
    channels = grad_input.size(1)
    which = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    total = torch.zeros(grad_input.shape, dtype=grad.dtype, device=grad.device)
    spread(
        (grad * (y != -1))[..., None],
        which[..., None, None].expand_as(grad),
        torch.stack((x, y), dim=-1),
        total.flatten(0, 1)[..., None],
    )
    grad_input.copy_(total)
