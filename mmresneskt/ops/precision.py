"""torchvision's kernels know float16 to float64, but not bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor


def widen(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors with bfloat16 made float32; the results are copied back into bfloat16."""
    return tuple(t.float() if t.dtype is torch.bfloat16 else t for t in tensors)
