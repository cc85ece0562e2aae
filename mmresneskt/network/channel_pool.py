"""Average, max and generalised-mean pooling over the channel axis.

GeM is equation (4) of the ResNeSkt paper, from Radenovic et al., "Fine-tuning CNN
Image Retrieval with No Human Annotation" (arXiv:1711.02512), taken over channels
instead of positions as the paper's spatial attention does.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MAPS = 3  # average, max, GeM


class ChannelPool(nn.Module):
    """Three pooled maps per channel group: average, max and GeM.

    Args:
        p: exponent of GeM, > 0. 1 is the average, infinity the maximum.
        trainable: learn the exponent (kept positive by learning its logarithm).
        groups: K; each group of C/K channels has maps of its own.

    Attributes:
        eps: GeM sees inputs clamped to at least this value.

    Raises:
        ValueError: if ``p`` is not a positive finite number.
    """

    eps = 1e-6

    def __init__(self, p: float = 3.0, trainable: bool = False, groups: int = 1) -> None:
        super().__init__()
        if not (p > 0 and math.isfinite(p)):
            raise ValueError(f"gem_p={p} is not allowed: it must be a finite number above 0")
        self.p = p
        self.groups = groups
        # x^4 is neither 0 nor infinite in float32 for x between 1e-9 and 1e9
        self._overflows = trainable or p > 4
        self.log_p = nn.Parameter(torch.tensor(math.log(p))) if trainable else None

    def exponent(self) -> float | Tensor:
        """p, a tensor where it is learnt."""
        return self.p if self.log_p is None else self.log_p.exp()

    def forward(self, x: Tensor) -> Tensor:
        """Pool x (N, C, H, W) over each group's channels into (N, K, 3, H, W), in float32 or wider.

        Under a large or a learnt exponent GeM is computed on x / max(x). The result does not
        depend on the scale, which therefore needs no gradient; the ratios lie in (0, 1], so no
        exponent can overflow and the mean is never 0.
        """
        p = self.exponent()
        x = x.unflatten(1, (self.groups, -1))
        maximum = x.amax(2)
        x = x.to(_wide(x.dtype))
        maximum = maximum.to(x.dtype)
        power = x.clamp(min=self.eps)
        if self._overflows:
            scale = maximum.detach().clamp(min=self.eps)
            gem = scale * power.div_(scale.unsqueeze(2)).pow_(p).mean(2).pow(1 / p)
        else:
            gem = power.pow_(p).mean(2).pow(1 / p)
        return torch.stack((x.mean(2), maximum, gem), dim=2)

    def extra_repr(self) -> str:
        return f"p={self.p}, trainable={self.log_p is not None}, groups={self.groups}"


def _wide(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, whose cubes overflow from 41 on; else unchanged."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
