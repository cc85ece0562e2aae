"""How far a computation on the device is from the same in float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

HEADER = ("check", "forward error", "backward error", "tolerances")


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Normal values of float64 on the CPU, the same each time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def largest_error(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest value of its tensor.

    A tensor whose values are a thousandth of the others' or less, such as the gradient of a bias
    before a norm, which is 0, counts relative to a thousandth of the largest value of all.

    Raises:
        AssertionError: a shape differs, or a value is not finite.
    """
    found, wanted = ([x.detach().cpu().double() for x in xs] for xs in (found, wanted))
    floor = max(float(w.abs().max()) for w in wanted) / 1000
    errors = []
    for f, w in zip(found, wanted, strict=True):
        assert f.shape == w.shape, f"{tuple(f.shape)} is not {tuple(w.shape)}"
        assert f.isfinite().all(), "a value is not finite"
        largest = max(float(w.abs().max()), floor, 1e-300)
        errors.append(float((f - w).abs().max()) / largest)
    return max(errors)


def distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The norm of the differences of all tensors, relative to the norm of all.

    For gradients of a network: where rounding makes another channel the largest, or closes another
    ReLU, single values differ as a whole.
    """
    ours, theirs = (
        torch.cat([x.detach().cpu().double().flatten() for x in xs]) for xs in (found, wanted)
    )
    return float((ours - theirs).norm() / theirs.norm())


def row(
    name: str, forward: float, backward: float | None, tolerances: tuple[float, ...]
) -> list[list]:
    """A check's row, as :data:`HEADER` has it.

    Raises:
        AssertionError: an error is above its tolerance, forward or backward.
    """
    errors = [forward, *([] if backward is None else [backward])]
    text = f"errors {', '.join(f'{e:.3g}' for e in errors)}; tolerances {tolerances}"
    assert all(error <= limit for error, limit in zip(errors, tolerances)), text
    return [[name, forward, "-" if backward is None else backward, "; ".join(map(str, tolerances))]]


def forward_and_backward(
    function: Callable[..., Tensor | Sequence[Tensor]], inputs: Sequence[Tensor], others: Sequence
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, and the gradients of a fixed sum of them in ``inputs`` and ``others``."""
    out = function(*inputs)
    outs = [out] if isinstance(out, Tensor) else list(out)
    parts = [(o * draw(*o.shape, seed=i).to(o)).sum() for i, o in enumerate(outs, start=1)]
    total = torch.stack(parts).sum()
    return outs, list(torch.autograd.grad(total, [*inputs, *others]))
