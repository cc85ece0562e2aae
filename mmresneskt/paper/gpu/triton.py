"""The network by the Triton kernels (MMRESNESKT_TRITON=1), against float64 on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

from mmresneskt.network.fast import attention

from .compare import HEADER
from .network import trained
from .work import Setting

__all__ = ["HEADER", "steps"]

_LAYOUTS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """A check for each precision and layout."""
    return {
        f"Triton, {precision}, {layout}": functools.partial(
            _check, f"Triton, {precision}, {layout}", setting.device, precision, layout
        )
        for precision in ("float32", "bfloat16", "float16")
        for layout in _LAYOUTS
    }


def _check(name: str, device: str, precision: str, layout: str) -> list[list]:
    if device == "cuda":  # on a CPU the eager operations are in their place
        x = torch.rand(2, 16, 8, 8, device=device).to(getattr(torch, precision))
        assert attention.fused is not None, "MMRESNESKT_TRITON is not 1"
        assert attention.fused.usable(x), "the kernels are not used; the log has a warning"
    return trained(name, device, precision, _LAYOUTS[layout])
