"""Average, max and generalised-mean pooling over the channel axis.

GeM is equation (4) of the ResNeSkt paper, from Radenovic et al., "Fine-tuning CNN
Image Retrieval with No Human Annotation" (arXiv:1711.02512), taken over channels
instead of positions as the paper's spatial attention does.
"""

import math

import torch
from torch import Tensor, nn


class ChannelPool(nn.Module):
    """Three pooled maps per channel group: average, max and GeM.

    Args:
        p: exponent of GeM, > 0. 1 is the average, infinity the maximum.
        trainable: learn the exponent (kept positive by learning its logarithm).
        eps: GeM sees inputs clamped to at least this value.

    Raises:
        ValueError: if ``p`` is not a positive finite number.
    """

    def __init__(self, p: float = 3.0, trainable: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        if not (p > 0 and math.isfinite(p)):
            raise ValueError(f"gem_p={p} is not allowed: it must be a finite number above 0")
        self.p = p
        self.eps = eps
        self.log_p = nn.Parameter(torch.tensor(math.log(p))) if trainable else None

    def forward(self, x: Tensor) -> Tensor:
        """Pool x (N, K, C, H, W) over C into (N, K, 3, H, W), in float32 or wider."""
        maximum = x.amax(2, keepdim=True)
        mean = x.mean(2, keepdim=True, dtype=self._wide(x.dtype))
        gem = self._gem(x.to(mean.dtype), maximum.to(mean.dtype))
        return torch.cat((mean, maximum.to(mean.dtype), gem), dim=2)

    def _gem(self, x: Tensor, maximum: Tensor) -> Tensor:
        """GeM of x, computed on x / max(x).

        The result does not depend on the scale, which therefore needs no gradient; the
        ratios lie in (0, 1], so no exponent can overflow and the mean is never 0.
        """
        p = self.p if self.log_p is None else self.log_p.exp()
        scale = maximum.detach().clamp(min=self.eps)
        ratio = x.clamp(min=self.eps) / scale
        return scale * ratio.pow(p).mean(2, keepdim=True).pow(1 / p)

    @staticmethod
    def _wide(dtype: torch.dtype) -> torch.dtype:
        """float32 for half precision, whose cubes overflow from 41 on; else unchanged."""
        return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype

    def extra_repr(self) -> str:
        return f"p={self.p}, trainable={self.log_p is not None}"
