"""The spatial attention's passes over V by Triton, with one read each.

Eager operations go over V some thirty times in a training step, in float32 even where V is in
half precision. They take over where Triton, its C compiler or a GPU is missing, and under
``torch.compile``, which makes kernels of its own of them.
"""

from __future__ import annotations

import functools
import warnings

import torch
from torch import Tensor

from .channel_pool import ChannelPool

try:
    import triton

    from . import triton_kernels as kernels
except ImportError:  # torch for CPUs, Windows, macOS
    triton = None

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_POWERS = (2, 3, 4)
# positions and channels of a tile: the axis that is contiguous in memory is the longer one
_NCHW, _NHWC = dict(BLOCK=128, CHANNELS=16), dict(BLOCK=32, CHANNELS=64)


def usable(x: Tensor) -> bool:
    """Whether the kernels take x (N, C, H, W), and are right on its device."""
    return (
        triton is not None
        and x.is_cuda
        and x.dtype in _DTYPES
        and x.numel() > 0
        and (x.is_contiguous() or _is_nhwc(x))
        and _is_right(x.device, x.dtype)
    )


def poolable(pool: ChannelPool) -> bool:
    """Whether the kernels know a pooling: GeM with a small whole number as its exponent."""
    return pool.log_p is None and pool.p in _POWERS


def radix_sum_and_pool(splits: Tensor, weights: Tensor, pool: ChannelPool) -> tuple[Tensor, Tensor]:
    """V (N, C, H, W) and its maps (N, K, 3, H, W), as the function of that name in radix_sum."""
    n, radix, channels = weights.shape[:3]
    size = splits.shape[2:]
    kind = dict(dtype=splits.dtype, device=splits.device, memory_format=_layout(splits))
    v = torch.empty(n, channels, *size, **kind)
    maps = splits.new_empty(n, pool.groups, 3, *size, dtype=torch.float32)
    tensors = (splits, weights.contiguous(), v, maps)
    extra = (*_steps(splits), pool.eps**pool.p)
    _launch(kernels.radix_sum_and_pool, v, pool.groups, tensors, extra, R=radix, P=int(pool.p))
    return v, maps


def radix_sum_and_pool_backward(
    splits: Tensor, weights: Tensor, maps: Tensor, grad_v: Tensor, grad_maps: Tensor, p: float
) -> tuple[Tensor, Tensor]:
    """The gradients in the splits and in the weights (N, R, C, 1, 1), from V's and the maps'."""
    grad_v = grad_v.contiguous(memory_format=_layout(splits))
    grad_splits = torch.empty_like(splits)
    parts = splits.new_empty(_grid(grad_v, 1)[0], *weights.shape, dtype=torch.float32)
    tensors = (splits, weights.contiguous(), maps, grad_maps.contiguous(), grad_v)
    _launch(
        kernels.radix_sum_and_pool_backward,
        *(grad_v, maps.size(1), (*tensors, grad_splits, parts), _steps(splits)),
        R=weights.size(1),
        P=int(p),
    )
    return grad_splits, parts.sum(0).to(weights.dtype)


def gate_backward(grad: Tensor, product: Tensor, u: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The gradients in V and U (N, K, H, W), from that in product = V * scale * sigmoid(U)."""
    grad, u = grad.contiguous(memory_format=_layout(product)), u.contiguous()
    grad_v, grad_u = torch.empty_like(product), torch.empty_like(u)
    tensors = (grad, product, u, grad_v, grad_u)
    _launch(kernels.gate_backward, product, u.size(1), tensors, (scale,))
    return grad_v, grad_u


def _launch(
    kernel: object, v: Tensor, groups: int, tensors: tuple, extra: tuple, **constants: int
) -> None:
    sizes = (v.shape[2] * v.shape[3], v.size(1), *_steps(v))
    constants.update(_tile(v), GROUP=v.size(1) // groups)
    with torch.cuda.device_of(v):
        kernel[_grid(v, groups)](*tensors, *sizes, *extra, **constants)


def _grid(v: Tensor, groups: int) -> tuple[int, int, int]:
    return triton.cdiv(v.shape[2] * v.shape[3], _tile(v)["BLOCK"]), v.size(0), groups


def _tile(x: Tensor) -> dict[str, int]:
    return _NHWC if _is_nhwc(x) else _NCHW


def _steps(x: Tensor) -> tuple[int, int]:
    """From position to position, and from channel to channel."""
    return (x.size(1), 1) if _is_nhwc(x) else (1, x.shape[2] * x.shape[3])


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if _is_nhwc(x) else torch.contiguous_format


def _is_nhwc(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


@functools.cache
def _is_right(device: torch.device, dtype: torch.dtype) -> bool:
    """Try the kernels on a device, once: where they fail or err they cost speed, not results."""
    try:
        with torch.autocast(device.type, enabled=False), torch.enable_grad():
            for layout in (torch.contiguous_format, torch.channels_last):
                _compare(device, dtype, layout)
    except Exception as error:  # whatever a compiler or a driver raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        warnings.warn(f"not using Triton on {device}: {reason}", stacklevel=2)
        return False
    return True


def _compare(device: torch.device, dtype: torch.dtype, layout: torch.memory_format) -> None:
    """Hold the kernels against the equations, written out and derived by autograd.

    Raises:
        AssertionError: a result is another one.
    """
    generator = torch.Generator().manual_seed(0)  # not the one that the training draws from
    pool = ChannelPool(groups=2)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    def count(least: int, most: int, *shape: int) -> Tensor:
        return torch.randint(least, most + 1, shape, generator=generator).to(device)

    # V is exact in any type: rounded the other way, another channel could be the largest
    splits = count(0, 7, 2, 40, 9, 15).to(dtype).to(memory_format=layout).requires_grad_()
    weights = count(1, 3, 2, 2, 20, 1, 1).div(4).requires_grad_()
    u = draw(2, 2, 9, 15).requires_grad_()
    exact = (splits.float().unflatten(1, (2, 20)) * weights).sum(1)
    maps = pool(exact)
    product = (exact.unflatten(1, (2, 10)) * (2 * u.sigmoid()).unsqueeze(2)).flatten(1, 2)
    grad, grad_maps = draw(*product.shape).to(dtype), draw(*maps.shape)
    torch.autograd.backward((product, maps), (grad.float(), grad_maps))

    with torch.no_grad():
        found_v, found_maps = radix_sum_and_pool(splits, weights, pool)
        grad_v, grad_u = gate_backward(grad, product.to(dtype).to(memory_format=layout), u, 2.0)
        found = radix_sum_and_pool_backward(splits, weights, found_maps, grad_v, grad_maps, pool.p)
    tolerance = 1e-4 if dtype is torch.float32 else 5e-2
    for mine, wanted in zip(
        (found_v, found_maps, grad_u, *found), (exact, maps, u.grad, splits.grad, weights.grad)
    ):
        limit = tolerance * wanted.abs().max().item()
        torch.testing.assert_close(mine.float(), wanted.float(), rtol=tolerance, atol=limit)
