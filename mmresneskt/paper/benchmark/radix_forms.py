"""The radix convolution as one grouped convolution, or as R dense ones side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .speed import Speed, step_speeds
from .variants import LAYOUTS, MODES

_STAGES = ((64, 4, 3), (128, 8, 4), (256, 16, 6), (512, 32, 3))  # channels, stride, blocks
_RADIX = 2
FORMS = ("grouped", "dense")


def radix_forms(
    batch: int, size: int, device: str, rounds: int
) -> Iterator[tuple[str, str, int, dict[str, Speed]]]:
    """Layout, mode, channels and the speed of both forms, for each stage of ResNeSkt-50."""
    for layout in LAYOUTS:
        for mode in MODES:
            for channels, stride, _ in _STAGES:
                x, weight, grad = _tensors(batch, channels, size // stride, layout, device)
                steps = {form: _step(form, mode, x, weight, grad) for form in FORMS}
                yield layout, mode, channels, step_speeds(steps, rounds, device)


def blocks(channels: int) -> int:
    """Blocks of ResNeSkt-50 with this width."""
    return next(count for width, _, count in _STAGES if width == channels)


def _tensors(batch: int, channels: int, side: int, layout: str, device: str) -> list[Tensor]:
    outputs = _RADIX * channels
    shapes = (
        (batch, channels, side, side),
        (outputs, channels // _RADIX, 3, 3),
        (batch, outputs, side, side),
    )
    return [torch.rand(s, device=device).to(memory_format=LAYOUTS[layout]) for s in shapes]


def _step(form: str, mode: str, x: Tensor, weight: Tensor, grad: Tensor) -> Callable[[], object]:
    def convolve() -> Tensor:
        if form == "grouped":
            return F.conv2d(x, weight, padding=1, groups=_RADIX)
        parts = zip(x.chunk(_RADIX, 1), weight.chunk(_RADIX, 0))
        return torch.cat([F.conv2d(part, kernel, padding=1) for part, kernel in parts], 1)

    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    if mode == "training":
        return lambda: torch.autograd.grad(convolve(), (x, weight), grad)
    return torch.no_grad()(convolve)
