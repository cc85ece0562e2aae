"""The types in which the operators compute; the results are copied back into the caller's."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor


def widen(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors with bfloat16, which torchvision's kernels do not know, made float32."""
    return tuple(t.float() if t.dtype is torch.bfloat16 else t for t in tensors)


def at_least_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in one type, float32 or wider: long sums and positions need it."""
    dtype = reduce(torch.promote_types, (t.dtype for t in tensors), torch.float32)
    return tuple(t.to(dtype) for t in tensors)
