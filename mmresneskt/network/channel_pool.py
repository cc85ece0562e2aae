"""Average, max and generalised-mean pooling over the channel axis.

GeM is equation (4) of the ResNeSkt paper, from Radenovic et al., "Fine-tuning CNN
Image Retrieval with No Human Annotation" (arXiv:1711.02512), taken over channels
instead of positions as the paper's spatial attention does.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelPool(nn.Module):
    """Three pooled maps per channel group: average, max and GeM.

    Args:
        p: exponent of GeM, > 0. 1 is the average, infinity the maximum.
        trainable: learn the exponent (kept positive by learning its logarithm).
        eps: GeM sees inputs clamped to at least this value.
        groups: K; each group of C/K channels has maps of its own.

    Raises:
        ValueError: if ``p`` is not a positive finite number.
    """

    def __init__(
        self, p: float = 3.0, trainable: bool = False, eps: float = 1e-6, groups: int = 1
    ) -> None:
        super().__init__()
        if not (p > 0 and math.isfinite(p)):
            raise ValueError(f"gem_p={p} is not allowed: it must be a finite number above 0")
        self.p = p
        self.eps = eps
        self.groups = groups
        # x^4 is neither 0 nor infinite in float32 for x between 1e-9 and 1e9
        self._overflows = trainable or p > 4
        self.log_p = nn.Parameter(torch.tensor(math.log(p))) if trainable else None

    def exponent(self) -> float | Tensor:
        """p, a tensor where it is learnt."""
        return self.p if self.log_p is None else self.log_p.exp()

    def forward(self, x: Tensor, nonnegative: bool = False) -> Tensor:
        """Pool x (N, C, H, W) over each group's channels into (N, K, 3, H, W), in float32 or wider.

        Args:
            nonnegative: no x is below 0. Then, if p >= 1, the mean of x^p is clamped instead of
                every x, which changes GeM by less than eps and takes a pass over x fewer.

        Under a large or a learnt exponent GeM is computed on x / max(x). The result does not
        depend on the scale, which therefore needs no gradient; the ratios lie in (0, 1], so no
        exponent can overflow and the mean is never 0.
        """
        x, channels = self._grouped(x)
        p = self.exponent()
        maximum = x.amax(channels, keepdim=True)
        wide = x.to(_wide(x.dtype))
        maximum = maximum.to(wide.dtype)
        mean = wide.mean(channels, keepdim=True)
        if self._overflows:
            scale = maximum.detach().clamp(min=self.eps)
            power = wide.clamp(min=self.eps).div_(scale).pow_(p)
            gem = scale * power.mean(channels, keepdim=True).pow(1 / p)
        elif nonnegative and p >= 1:
            least = self.eps**p
            gem = wide.pow(p).mean(channels, keepdim=True).clamp_(min=least).pow_(1 / p)
        else:
            power = wide.clamp(min=self.eps).pow_(p)
            gem = power.mean(channels, keepdim=True).pow(1 / p)
        maps = torch.cat((mean, maximum, gem), dim=channels)
        return maps if self.groups > 1 else maps.unsqueeze(1)

    def add_gradient(
        self,
        x: Tensor,
        maps: Tensor,
        grad_maps: Tensor,
        p: float | Tensor,
        grad_x: Tensor,
        nonnegative: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Backward pass of :meth:`forward` from its input and output alone.

        Args:
            x: (N, C, H, W), to the bit what ``forward`` was given; it is overwritten.
            maps, grad_maps: its result (N, K, 3, H, W), and the loss's gradient in it.
            p: the exponent it used.
            grad_x: the gradient that x gets from elsewhere.
            nonnegative: as in ``forward``.

        Returns:
            The sum of both gradients in x, in the type of the maps, and the gradient in p, None
            where that is a number. Channels that share the maximum share its gradient.
        """
        shape = x.shape
        x, channels = self._grouped(x)
        grad_x, _ = self._grouped(grad_x)
        if self.groups == 1:
            maps, grad_maps = maps.squeeze(1), grad_maps.squeeze(1)
        _, maximum, gem = maps.split(1, channels)
        grad_mean, grad_max, grad_gem = grad_maps.split(1, channels)
        count = x.size(channels)
        x = x.to(maps.dtype)
        grad_p = None
        if isinstance(p, Tensor):
            # ln GeM = ln(mean(x^p)) / p, and mean((x / GeM)^p) = 1
            ratio = x.clamp(min=self.eps).div_(gem)
            grad_p = (ratio.pow(p) * ratio.log()).mean(channels, keepdim=True)
            grad_p = (grad_p * gem * grad_gem).sum() / p
        # where x < eps the gradient is 0, as 0^(p - 1) is, if p > 1
        factor = grad_gem / count
        if self._overflows:
            power = F.threshold(x, self.eps, 0).div_(gem).pow_(p - 1)
        else:
            power = x.pow(p - 1) if nonnegative else F.threshold(x, self.eps, 0).pow_(p - 1)
            factor.mul_(gem.pow(1 - p))
        if p <= 1:
            power.masked_fill_(x < self.eps, 0)
        total = torch.addcmul(grad_x.to(power.dtype), power, factor, out=power)
        total.add_(grad_mean / count)
        largest = x.eq_(maximum)  # in x's own type: 1 or 0
        total.addcmul_(largest, grad_max / largest.sum(channels, keepdim=True))
        return total.view(shape) if self.groups == 1 else total.flatten(1, 2), grad_p

    def _grouped(self, x: Tensor) -> tuple[Tensor, int]:
        """x with an axis of its own for the groups, if there are several; the channels' axis."""
        return (x, 1) if self.groups == 1 else (x.unflatten(1, (self.groups, -1)), 2)

    def extra_repr(self) -> str:
        return f"p={self.p}, trainable={self.log_p is not None}, groups={self.groups}"


def _wide(dtype: torch.dtype) -> torch.dtype:
    """float32 for half precision, whose cubes overflow from 41 on; else unchanged."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
