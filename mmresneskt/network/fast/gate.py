"""How U becomes the factor of V, and V times it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from . import fused
from .recorded import by_hand, is_recorded

GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "double_sigmoid": lambda u: u.sigmoid().mul(2),
    "sigmoid": torch.sigmoid,
    "linear": lambda u: u,
}
"""How U becomes the factor of V: 2*sigmoid(U), exactly 1 at U = 0 (the default);
CBAM's sigmoid(U), 1/2 there; U itself, as the paper prints it, 0 there."""


def apply_gate(v: Tensor, u: Tensor, gate: str, in_place: bool = False) -> Tensor:
    """V (N, C, H, W) times the gate of U (N, K, H, W), group by group, in V's type.

    For the backward pass of the sigmoid gates the product is kept, which the convolution
    after it keeps anyway, and not V: the gradient of U is sum(grad * product) * (1 - sigmoid(U)).

    Args:
        in_place: nobody needs V any more: without a gradient the product may take its place.
    """
    if gate != "linear" and by_hand(v, u):
        return _SigmoidGate.apply(v, u, gate)
    # of what is traced, ONNX's exporter takes reads of V for later than this
    in_place = in_place and not is_recorded(v, u) and not torch.jit.is_tracing()
    return _multiply(v, GATES[gate](u), v if in_place else None)


class _SigmoidGate(Function):
    @staticmethod
    def forward(ctx, v: Tensor, u: Tensor, gate: str) -> Tensor:
        out = _multiply(v, GATES[gate](u))
        ctx.gate = gate
        ctx.save_for_backward(out, u)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        out, u = ctx.saved_tensors
        if fused.usable(out):
            scale = 2.0 if ctx.gate == "double_sigmoid" else 1.0
            return *fused.gate_backward(grad, out, u, scale), None
        product = grad * out
        grad_u = product.unflatten(1, (u.size(1), -1)).sum(2, dtype=u.dtype)
        grad_u.mul_(torch.sigmoid(-u))
        return _multiply(grad, GATES[ctx.gate](u), product), grad_u, None


def _multiply(v: Tensor, factor: Tensor, out: Tensor | None = None) -> Tensor:
    """V times its factor, group by group; ``out``, which may be V, takes it without a gradient."""
    factor = factor.to(v.dtype)
    groups = factor.size(1)
    if groups == 1:
        return torch.mul(v, factor, out=out)
    grouped, factor = v.unflatten(1, (groups, -1)), factor.unsqueeze(2)
    if out is None:
        return (grouped * factor).flatten(1, 2)
    torch.mul(grouped, factor, out=out.unflatten(1, (groups, -1)))
    return out
