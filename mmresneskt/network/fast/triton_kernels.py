"""The spatial attention's passes over V as Triton kernels; :mod:`.fused` starts them.

Each program takes a block of positions of one sample and one group, and goes over the group's
channels. Tensors are (N, channels, H, W) in either memory layout, given by two strides:
``v_at`` from position to position and ``v_next`` from channel to channel. All arithmetic is in
float32. GROUP is C / K; a tile has BLOCK positions and CHANNELS channels.
"""

import triton
import triton.language as tl


@triton.jit
def _power(x, P: tl.constexpr):
    result = x
    for _ in tl.static_range(P - 1):
        result = result * x
    return result


@triton.jit
def _tile(
    start,  # of the tile's channels within the group
    k,
    at_inside,
    GROUP: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """A tile's channels, and which of its values are the group's."""
    c = start + tl.arange(0, CHANNELS)[None, :]
    return k * GROUP + c, at_inside & (c < GROUP)


@triton.jit
def pool(
    v,  # (N, C, H, W)
    maps,  # (N, K, 3, H, W), written
    positions,  # H * W
    channels,  # C
    v_at,
    v_next,
    eps,
    P: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    sample = tl.program_id(1).to(tl.int64)
    k = tl.program_id(2)
    groups = tl.num_programs(2)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    at_inside = at < positions
    v += sample * (channels * positions) + at * v_at

    total = tl.zeros((BLOCK, CHANNELS), tl.float32)
    largest = tl.full((BLOCK, CHANNELS), float("-inf"), tl.float32)
    powers = tl.zeros((BLOCK, CHANNELS), tl.float32)
    for start in range(0, GROUP, CHANNELS):
        c, inside = _tile(start, k, at_inside, GROUP, CHANNELS)
        x = tl.load(v + c * v_next, mask=inside, other=0.0).to(tl.float32)
        total += x
        largest = tl.maximum(largest, tl.where(inside, x, float("-inf")))
        powers += tl.where(inside, _power(tl.maximum(x, eps), P), 0.0)
    gem = tl.where(at_inside, tl.sum(powers, 1)[:, None] / GROUP, 1.0)
    gem = tl.exp2(tl.log2(gem) * (1.0 / P))
    maps += (sample * groups + k) * (3 * positions) + at
    tl.store(maps, tl.sum(total, 1)[:, None] / GROUP, mask=at_inside)
    tl.store(maps + positions, tl.max(largest, 1)[:, None], mask=at_inside)
    tl.store(maps + 2 * positions, gem, mask=at_inside)


@triton.jit
def pool_backward(
    v,  # (N, C, H, W)
    maps,  # (N, K, 3, H, W)
    grad_maps,  # (N, K, 3, H, W)
    grad_v,  # (N, C, H, W): V's gradient from elsewhere
    grad,  # as v, written: the sum of both
    positions,
    channels,
    v_at,
    v_next,
    eps,
    P: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    sample = tl.program_id(1).to(tl.int64)
    k = tl.program_id(2)
    groups = tl.num_programs(2)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    at_inside = at < positions
    offset = sample * (channels * positions) + at * v_at

    # the largest value and how many channels share it; not the one in maps, from which that of
    # a V made again may differ in the last bit
    largest = tl.full((BLOCK, CHANNELS), float("-inf"), tl.float32)
    count = tl.zeros((BLOCK, CHANNELS), tl.float32)
    for start in range(0, GROUP, CHANNELS):
        c, inside = _tile(start, k, at_inside, GROUP, CHANNELS)
        x = tl.load(v + offset + c * v_next, mask=inside, other=0.0).to(tl.float32)
        x = tl.where(inside, x, float("-inf"))
        count = tl.where(x > largest, 0.0, count)
        largest = tl.maximum(largest, x)
        count += tl.where((x == largest) & inside, 1.0, 0.0)
    maximum = tl.max(largest, 1)[:, None]
    count = tl.sum(tl.where(largest == maximum, count, 0.0), 1)[:, None]

    maps += (sample * groups + k) * (3 * positions) + at
    grad_maps += (sample * groups + k) * (3 * positions) + at
    gem = tl.load(maps + 2 * positions, mask=at_inside, other=1.0)
    grad_mean = tl.load(grad_maps, mask=at_inside, other=0.0) / GROUP
    grad_max = tl.load(grad_maps + positions, mask=at_inside, other=0.0) / tl.maximum(count, 1.0)
    grad_gem = tl.load(grad_maps + 2 * positions, mask=at_inside, other=0.0) / GROUP
    for start in range(0, GROUP, CHANNELS):
        c, inside = _tile(start, k, at_inside, GROUP, CHANNELS)
        pointers = offset + c * v_next
        x = tl.load(v + pointers, mask=inside, other=0.0).to(tl.float32)
        total = tl.load(grad_v + pointers, mask=inside, other=0.0).to(tl.float32) + grad_mean
        total += tl.where(x >= eps, grad_gem * _power(x / gem, P - 1), 0.0)
        total += tl.where(x == maximum, grad_max, 0.0)
        tl.store(grad + pointers, total.to(grad.dtype.element_ty), mask=inside)


@triton.jit
def gate_backward(
    grad,  # (N, C, H, W)
    product,  # (N, C, H, W): V times the gate
    u,  # (N, K, H, W)
    grad_v,  # as grad, written
    grad_u,  # as u, written
    v,  # as product, written
    positions,
    channels,
    v_at,
    v_next,
    scale,  # the gate is scale * sigmoid(u)
    least,  # that the product is divided by
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    sample = tl.program_id(1).to(tl.int64)
    k = tl.program_id(2)
    groups = tl.num_programs(2)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    at_inside = at < positions
    offset = sample * (channels * positions) + at * v_at
    u_offset = (sample * groups + k) * positions + at
    gate_u = tl.load(u + u_offset, mask=at_inside, other=0.0).to(tl.float32)
    factor = scale * tl.sigmoid(gate_u)
    # as the forward pass multiplied by it
    used = tl.maximum(factor.to(product.dtype.element_ty).to(tl.float32), least)

    total = tl.zeros((BLOCK, CHANNELS), tl.float32)
    for start in range(0, GROUP, CHANNELS):
        c, inside = _tile(start, k, at_inside, GROUP, CHANNELS)
        pointers = offset + c * v_next
        g = tl.load(grad + pointers, mask=inside, other=0.0).to(tl.float32)
        out = tl.load(product + pointers, mask=inside, other=0.0).to(tl.float32)
        total += g * out
        tl.store(grad_v + pointers, (g * factor).to(grad_v.dtype.element_ty), mask=inside)
        tl.store(v + pointers, (out / used).to(v.dtype.element_ty), mask=inside)
    # for a large u, 1 - sigmoid(u) would be 0
    result = tl.sum(total, 1)[:, None] * tl.sigmoid(-gate_u)
    tl.store(grad_u + u_offset, result, mask=at_inside)
