"""V, the weighted sum over the radix, and the channel pooling of it.

Equations (3) and (4) of the ResNeSkt paper. For the backward pass nothing of V's size is
kept: V is the sum of splits that the activation before keeps anyway, and is made again.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..channel_pool import ChannelPool
from . import fused
from .recorded import by_hand, is_eager


def radix_sum(splits: Tensor, weights: Tensor) -> Tensor:
    """Splits (N, R*C, H, W), weights (N, R, C, 1, 1) -> their sum V (N, C, H, W).

    In the splits' type, which half-precision weights keep: V lies between the splits.
    """
    if by_hand(splits, weights):
        return _RadixSum.apply(splits, weights)
    return _sum(splits, weights)


def radix_sum_and_pool(splits: Tensor, weights: Tensor, pool: ChannelPool) -> tuple[Tensor, Tensor]:
    """:func:`radix_sum`'s V of splits that are not below 0, and its pooled maps (N, K, 3, H, W)."""
    if by_hand(splits, weights):
        return _RadixSumAndPool.apply(splits, weights, pool.exponent(), pool)
    by_triton = is_eager() and fused.usable(splits, pool)
    return _sum_and_pool(splits, weights, pool, by_triton)


class _RadixSum(Function):
    @staticmethod
    def forward(ctx, splits: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(splits, weights)
        return _sum(splits, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        return _gradients(grad, *ctx.saved_tensors, torch.empty_like(grad))


class _RadixSumAndPool(Function):
    @staticmethod
    def forward(
        ctx, splits: Tensor, weights: Tensor, p: float | Tensor, pool: ChannelPool
    ) -> tuple[Tensor, Tensor]:
        ctx.by_triton = fused.usable(splits, pool)
        v, maps = _sum_and_pool(splits, weights, pool, ctx.by_triton)
        ctx.pool = pool
        ctx.p = p.detach() if isinstance(p, Tensor) else p
        ctx.save_for_backward(splits, weights, maps)
        return v, maps

    @staticmethod
    @once_differentiable
    def backward(
        ctx, grad_v: Tensor, grad_maps: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, None]:
        splits, weights, maps = ctx.saved_tensors
        if ctx.by_triton:
            tensors = (splits, weights, maps, grad_v, grad_maps)
            return *fused.radix_sum_and_pool_backward(*tensors, ctx.p), None, None
        v = _sum(splits, weights)
        grad, grad_p = ctx.pool.add_gradient(v, maps, grad_maps, ctx.p, grad_v, nonnegative=True)
        return *_gradients(grad.to(splits.dtype), splits, weights, v), grad_p, None


def _sum_and_pool(
    splits: Tensor, weights: Tensor, pool: ChannelPool, by_triton: bool
) -> tuple[Tensor, Tensor]:
    if by_triton:
        return fused.radix_sum_and_pool(splits, weights, pool)
    v = _sum(splits, weights)
    return v, pool(v, nonnegative=True)


def _sum(splits: Tensor, weights: Tensor) -> Tensor:
    first_weight, *other_weights = weights.to(splits.dtype).unbind(1)
    first, *others = splits.chunk(1 + len(other_weights), dim=1)
    v = first * first_weight
    for split, weight in zip(others, other_weights):
        v = v.addcmul_(split, weight)
    return v


def _gradients(
    grad: Tensor, splits: Tensor, weights: Tensor, product: Tensor
) -> tuple[Tensor, Tensor]:
    """With respect to the splits and the weights, given V's; ``product`` is room of its size."""
    radix = weights.size(1)
    grad_splits, grad_weights = torch.empty_like(splits), []
    parts = (splits.chunk(radix, dim=1), grad_splits.chunk(radix, dim=1))
    for split, part, weight in zip(*parts, weights.to(grad.dtype).unbind(1)):
        torch.mul(grad, weight, out=part)
        torch.mul(grad, split, out=product)
        grad_weights.append(product.sum((2, 3), keepdim=True, dtype=weights.dtype))
    return grad_splits, torch.stack(grad_weights, dim=1)
