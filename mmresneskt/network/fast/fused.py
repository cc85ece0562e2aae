"""The spatial attention's passes over V as three Triton kernels.

Eager operations go over V some thirty times in a training step, in float32 even where V is in
half precision. They take over where Triton, its C compiler or a GPU is missing, and under
``torch.compile``, which makes kernels of its own of them.
"""

from __future__ import annotations

import functools
import threading
import warnings

import torch
from torch import Tensor

from ..channel_pool import ChannelPool

try:
    import triton

    from . import triton_kernels as kernels
except Exception:  # no Triton (torch for CPUs, Windows, macOS), or no source that it could read
    triton = None

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_POWERS = (2, 3, 4)
# positions and channels of a tile: the axis that is contiguous in memory is the longer one
_NCHW, _NHWC = dict(BLOCK=128, CHANNELS=16), dict(BLOCK=32, CHANNELS=64)


def usable(x: Tensor, pool: ChannelPool | None = None) -> bool:
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
        and (pool is None or (pool.log_p is None and pool.p in _POWERS))
        and _is_right(x.device, x.dtype)
    )


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
    layout = _layout(splits)
    splits, grad_v = (x.contiguous(memory_format=layout) for x in (splits, grad_v))
    grad_splits = torch.empty_like(splits)
    parts = splits.new_empty(_grid(grad_v, 1)[0], *weights.shape, dtype=torch.float32)
    tensors = (splits, weights.contiguous(), maps, grad_maps.contiguous(), grad_v)
    tensors += (grad_splits, parts)
    kernel, sizes = kernels.radix_sum_and_pool_backward, dict(R=weights.size(1), P=int(p))
    _launch(kernel, grad_v, maps.size(1), tensors, _steps(splits), **sizes)
    return grad_splits, parts.sum(0).to(weights.dtype)


def gate_backward(grad: Tensor, product: Tensor, u: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The gradients in V and U (N, K, H, W), from that in product = V * scale * sigmoid(U)."""
    grad, u = grad.contiguous(memory_format=_layout(product)), u.contiguous()
    grad_v, grad_u = torch.empty_like(product), torch.empty_like(u)
    tensors = (grad, product, u, grad_v, grad_u)
    _launch(kernels.gate_backward, product, u.size(1), tensors, (scale,))
    return grad_v, grad_u


def _launch(
    kernel: object, like: Tensor, groups: int, tensors: tuple, extra: tuple, **constants: int
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
    kind = dict(generator=generator, device="cpu", dtype=torch.float32)
    pool = ChannelPool(groups=2)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, **kind).to(device)

    if dtype is torch.float32:
        splits = draw(2, 2 * channels, *size).relu()
        weights = draw(2, 2, channels, 1, 1).sigmoid()
    else:  # V is exact: rounded the other way, another channel could be the largest
        splits = torch.randint(8, (2, 2 * channels, *size), **kind).to(device)
        weights = torch.randint(1, 4, (2, 2, channels, 1, 1), **kind).to(device) / 4
    splits = splits.to(dtype).to(memory_format=layout).requires_grad_()
    weights.requires_grad_()
    u = draw(2, 2, *size).requires_grad_()
    v = (splits.float().unflatten(1, (2, channels)) * weights).sum(1)
    maps = pool(v)
    product = (v.unflatten(1, (2, -1)) * (2 * u.sigmoid()).unsqueeze(2)).flatten(1, 2)
    grad, grad_maps = draw(*product.shape).to(dtype), draw(*maps.shape)
    torch.autograd.backward((product, maps), (grad.float(), grad_maps))

    with torch.no_grad():
        found_v, found_maps = radix_sum_and_pool(splits, weights, pool)
        grad_v, grad_u = gate_backward(grad, product.to(dtype).to(memory_format=layout), u, 2.0)
        found = radix_sum_and_pool_backward(splits, weights, found_maps, grad_v, grad_maps, pool.p)
    tolerance = 1e-4 if dtype is torch.float32 else 5e-2
    for mine, wanted in zip(
        (found_v, found_maps, grad_u, *found), (v, maps, u.grad, splits.grad, weights.grad)
    ):
        limit = tolerance * wanted.abs().max().item()
        torch.testing.assert_close(mine.float(), wanted.float(), rtol=tolerance, atol=limit)
