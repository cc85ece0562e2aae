"""The spatial attention's passes over V as three Triton kernels.

Used where the environment variable MMRESNESKT_TRITON is 1. Eager operations go over V some twenty
times in a training step, in float32 even where V is in half precision. They take over where Triton,
its C compiler or a GPU is missing, and under ``torch.compile``, which makes kernels of its own.
"""

from __future__ import annotations

import functools
import threading
import warnings
from typing import Any

import torch
from torch import Tensor

from ..channel_pool import ChannelPool
from ..spatial_kernel_attention import multiply

try:
    import triton

    from . import triton_kernels as kernels
except Exception:  # no Triton (torch for CPUs, Windows, macOS), or no source that it could read
    triton = None

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_POWERS = (2, 3, 4)
# positions and channels of a tile: the axis that is contiguous in memory is the longer one
_NCHW, _NHWC = dict(BLOCK=128, CHANNELS=16), dict(BLOCK=32, CHANNELS=64)


def usable(x: Tensor, by: ChannelPool | None = None) -> bool:
    """Whether the kernels take x (N, C, H, W) and its pooling, and are right on its device.

    Of GeM they know small whole numbers as the exponent.
    """
    return (
        triton is not None
        and type(x) is Tensor  # with memory of its own
        and x.is_cuda
        and x.dtype in _DTYPES
        and 0 < x.numel() < x.size(0) * 2**31  # a sample is indexed in 32 bits,
        and x.size(0) < 2**16  # the batch by an axis of the grid
        and (x.is_contiguous() or _is_nhwc(x))
        and (by is None or (by.log_p is None and by.p in _POWERS))
        and _is_right(x.device, x.dtype)
    )


def pool(v: Tensor, by: ChannelPool) -> Tensor:
    """The maps (N, K, 3, H, W) of V (N, C, H, W)."""
    maps = v.new_empty(v.size(0), by.groups, 3, *v.shape[2:], dtype=torch.float32)
    _launch(kernels.pool, v, by.groups, (v, maps), (by.eps,), P=int(by.p))
    return maps


def pool_backward(
    v: Tensor, maps: Tensor, grad_maps: Tensor, grad_v: Tensor, by: ChannelPool
) -> Tensor:
    """V's whole gradient, from the maps' and that which it gets from elsewhere."""
    grad_v = grad_v.contiguous(memory_format=_layout(v))
    grad = torch.empty_like(grad_v)
    tensors = (v, maps, grad_maps.contiguous(), grad_v, grad)
    _launch(kernels.pool_backward, v, by.groups, tensors, (by.eps,), P=int(by.p))
    return grad


def gate_backward(
    grad: Tensor, product: Tensor, u: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients in V and U (N, K, H, W), and V, from product = V * scale * sigmoid(U)."""
    grad, u = grad.contiguous(memory_format=_layout(product)), u.contiguous()
    grad_v, grad_u, v = torch.empty_like(product), torch.empty_like(u), torch.empty_like(product)
    tensors = (grad, product, u, grad_v, grad_u, v)
    extra = (scale, torch.finfo(product.dtype).tiny)
    _launch(kernels.gate_backward, product, u.size(1), tensors, extra)
    return grad_v, grad_u, v


def _launch(
    kernel: Any, like: Tensor, groups: int, tensors: tuple, extra: tuple, **constants: int
) -> None:
    """Start a kernel over the positions of all samples and groups; ``like`` is as V is."""
    sizes = (like.shape[2] * like.shape[3], like.size(1), *_steps(like))
    constants.update(_tile(like), GROUP=like.size(1) // groups)
    with torch.cuda.device_of(like):
        kernel[_grid(like, groups)](*tensors, *sizes, *extra, **constants)


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
    """Try the kernels on a device, once: where they fail or err, eager operations stay."""
    errors = []

    def run() -> None:
        try:
            for layout in (torch.contiguous_format, torch.channels_last):
                _compare(device, dtype, layout, 20, (9, 15))
                _compare(device, dtype, layout, 160, (12, 12))  # several tiles, of even sizes
        except Exception as error:  # whatever a compiler or a driver raises
            errors.append(error)

    # of its own: what is recorded, cast or checkpointed around the first call is not there
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in errors:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        warnings.warn(f"not using Triton for {dtype} on {device}: {reason}", stacklevel=2)
    return not errors


def _compare(
    device: torch.device,
    dtype: torch.dtype,
    layout: torch.memory_format,
    channels: int,
    size: tuple[int, int],
) -> None:
    """Hold the kernels against the equations, written out and derived by autograd.

    Raises:
        AssertionError: a result is another one.
    """
    generator = torch.Generator().manual_seed(0)  # not the one that the training draws from
    kind: dict = dict(generator=generator, device="cpu", dtype=torch.float32)
    pooling = ChannelPool(groups=2)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, **kind).to(device)

    if dtype is torch.float32:
        v = draw(2, channels, *size).relu()
    else:  # whole numbers: rounded the other way, another channel could be the largest
        v = torch.randint(8, (2, channels, *size), **kind).to(device)
    v = v.to(memory_format=layout).requires_grad_()
    u = draw(2, 2, *size).requires_grad_()
    maps = pooling(v)
    factor = 2 * u.sigmoid()
    product = multiply(v, factor)
    grad, grad_maps = draw(*product.shape).to(dtype), draw(*maps.shape)
    torch.autograd.backward((product, maps), (grad.float(), grad_maps))

    with torch.no_grad():
        half = v.to(dtype)
        found_maps = pool(half, pooling)
        kept = multiply(half, factor)
        grad_v, grad_u, found_v = gate_backward(grad, kept, u, 2.0)
        # the V that was pooled: divided out, in half precision two channels may become equal
        found = pool_backward(half, found_maps, grad_maps, grad_v, pooling)
    tolerance = 1e-4 if dtype is torch.float32 else 5e-2
    for mine, wanted in zip((found_v, found_maps, grad_u, found), (v, maps, u.grad, v.grad)):
        limit = tolerance * wanted.abs().max().item()
        torch.testing.assert_close(mine.float(), wanted.float(), rtol=tolerance, atol=limit)
