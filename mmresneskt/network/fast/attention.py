"""The spatial attention with backward passes written by hand.

Left to autograd, pooling and gate keep V several times over, in float32 even where V is in half
precision. Here only their product is kept, V times its gate, which the convolution after it keeps
anyway. In the backward pass V is the product divided by the gate again.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..author_attention import AuthorSpatialKernelAttention
from ..channel_pool import ChannelPool
from ..spatial_kernel_attention import GATES, SpatialKernelAttention, multiply

fused: Any = None
if os.environ.get("MMRESNESKT_TRITON") == "1":
    from . import fused

if hasattr(torch.compiler, "is_compiling"):
    _is_compiling = torch.compiler.is_compiling
else:  # torch 2.1
    from torch._dynamo.external_utils import is_compiling as _is_compiling


class FastSpatialKernelAttention(SpatialKernelAttention):
    """:class:`SpatialKernelAttention` with less memory and time; the parameters are the same.

    Args:
        inplace: without a gradient the result is written over V, as by ``nn.ReLU(inplace=True)``.
            What is to see V afterwards, like a hook that keeps it, has to copy it.
    """

    def __init__(self, *args: Any, inplace: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inplace = inplace

    def forward(self, v: Tensor) -> Tensor:
        """V (N, C, H, W) -> V * gate(U), same shape and type."""
        # a compiler derives the backward pass, and chooses what to keep, from plain operations
        if _is_compiling() or torch.jit.is_tracing():
            return super().forward(v)
        handed: list[Tensor] = []
        v, maps = _Pool.apply(v, self.pool.exponent(), self.pool, handed)
        u, _ = self.choose(maps)
        if torch.is_grad_enabled() and (v.requires_grad or u.requires_grad):
            return _Gate.apply(v, u, self.gate, handed)
        factor = GATES[self.gate](u)
        if not self.inplace:
            return multiply(v, factor)
        v.unflatten(1, (self.groups, -1)).mul_(factor.to(v.dtype).unsqueeze(2))
        return v


class FastAuthorSpatialKernelAttention(FastSpatialKernelAttention, AuthorSpatialKernelAttention):
    """The same of :class:`AuthorSpatialKernelAttention`."""


class _Pool(Function):
    """V -> V and its maps (N, K, 3, H, W).

    V passes through, so that its whole gradient comes together here. ``handed`` is where
    :class:`_Gate`, whose backward pass runs before this one, leaves V.
    """

    @staticmethod
    def forward(
        ctx, v: Tensor, p: float | Tensor, pool: ChannelPool, handed: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        maps = fused.pool(v, pool) if _by_triton(v, pool) else pool(v)
        ctx.p = p.detach() if isinstance(p, Tensor) else p
        ctx.pool, ctx.handed = pool, handed
        ctx.save_for_backward(maps)
        return v, maps

    @staticmethod
    @once_differentiable
    def backward(
        ctx, grad_v: Tensor, grad_maps: Tensor
    ) -> tuple[Tensor, Tensor | None, None, None]:
        (maps,) = ctx.saved_tensors
        if not ctx.handed:
            raise RuntimeError(
                "a loss on an inner part of the spatial attention alone has no way back to V: "
                "take SpatialKernelAttention.attention(v)"
            )
        v = ctx.handed.pop()
        if _by_triton(v, ctx.pool):
            return fused.pool_backward(v, maps, grad_maps, grad_v, ctx.pool), None, None, None
        grad, grad_p = _pool_backward(v, maps, grad_maps, grad_v, ctx.p, ctx.pool.eps)
        return grad.to(grad_v.dtype), grad_p, None, None


class _Gate(Function):
    """V, U (N, K, H, W) -> V times its gate."""

    @staticmethod
    def forward(ctx, v: Tensor, u: Tensor, gate: str, handed: list[Tensor]) -> Tensor:
        out = multiply(v, GATES[gate](u))
        ctx.gate, ctx.handed = gate, handed
        # a linear gate may be 0, from which there is no way back
        ctx.save_for_backward(v if gate == "linear" else out, u)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        kept, u = ctx.saved_tensors
        if ctx.gate != "linear" and _by_triton(kept):
            scale = 2.0 if ctx.gate == "double_sigmoid" else 1.0
            grad_v, grad_u, v = fused.gate_backward(grad, kept, u, scale)
            ctx.handed[:] = [v]
            return grad_v, grad_u, None, None
        factor = GATES[ctx.gate](u)
        grad_u = (grad * kept).unflatten(1, (u.size(1), -1)).sum(2, dtype=u.dtype)
        if ctx.gate == "linear":
            v = kept.clone()
        else:
            grad_u.mul_(torch.sigmoid(-u))  # for a large u, 1 - sigmoid(u) would be 0
            v = _divide(kept, factor)
        ctx.handed[:] = [v]
        return multiply(grad, factor), grad_u, None, None


def _divide(product: Tensor, factor: Tensor) -> Tensor:
    """V, of which :func:`multiply` made the product; in the factor's type, if that is wider."""
    used = factor.to(product.dtype).clamp(min=torch.finfo(product.dtype).tiny)  # it may be closed
    grouped = product.unflatten(1, (factor.size(1), -1))
    return (grouped / used.to(factor.dtype).unsqueeze(2)).flatten(1, 2)


def _by_triton(x: Tensor, pool: ChannelPool | None = None) -> bool:
    return fused is not None and fused.usable(x, pool)


def _pool_backward(
    v: Tensor, maps: Tensor, grad_maps: Tensor, grad_v: Tensor, p: float | Tensor, eps: float
) -> tuple[Tensor, Tensor | None]:
    """V's whole gradient, and that of :class:`ChannelPool` in p, None for a number.

    Channels that share the maximum share its gradient.

    Args:
        v: (N, C, H, W); it is overwritten.
        maps, grad_maps: the result of the pooling and its gradient, (N, K, 3, H, W).
        grad_v: the gradient that V gets from elsewhere.
    """
    x, grad_v = (t.to(maps.dtype).unflatten(1, (maps.size(1), -1)) for t in (v, grad_v))
    grad_mean, grad_max, grad_gem = grad_maps.unsqueeze(3).unbind(2)
    gem = maps[:, :, 2:]
    count = x.size(2)
    grad_p = None
    if isinstance(p, Tensor):
        # ln GeM = ln(mean(x^p)) / p, and mean((x / GeM)^p) = 1
        ratio = x.clamp(min=eps).div_(gem)
        mean = (ratio.pow(p) * ratio.log()).mean(2, keepdim=True)
        grad_p = (mean * gem * grad_gem).sum() / p
    # below eps the gradient is 0, as 0^(p - 1) is, if p > 1
    power = F.threshold(x, eps, 0).div_(gem).pow_(p - 1)
    if p <= 1:
        power.masked_fill_(x < eps, 0)
    total = torch.addcmul(grad_v, power, grad_gem / count, out=power).add_(grad_mean / count)
    largest = x.eq_(x.amax(2, keepdim=True))  # in x's own type: 1 or 0
    total.addcmul_(largest, grad_max / largest.sum(2, keepdim=True))
    return total.flatten(1, 2), grad_p
