"""The spatial attention's passes over V as Triton kernels; :mod:`.fused` starts them.

Each program takes a block of positions of one sample and one group, and goes over the group's
channels. Tensors are (N, channels, H, W) in either memory layout, given by two strides:
``*_at`` from position to position and ``*_next`` from channel to channel. All arithmetic is in
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
def _tile_of_v(
    splits,  # the pointers to the positions, in the first channel
    weights,  # the pointer to the sample's first
    start,  # of the tile's channels within the group
    k,
    at_inside,
    channels,
    split_next,
    R: tl.constexpr,
    GROUP: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """A tile of V, its channels, which of these are the group's, and which values are V's."""
    c = start + tl.arange(0, CHANNELS)[None, :]
    c_inside = c < GROUP
    inside = at_inside & c_inside
    c = k * GROUP + c
    splits += c * split_next
    weights += c
    total = tl.load(splits, mask=inside, other=0.0).to(tl.float32)
    total = total * tl.load(weights, mask=c_inside, other=0.0).to(tl.float32)
    for r in tl.static_range(1, R):
        split = tl.load(splits + r * channels * split_next, mask=inside, other=0.0)
        weight = tl.load(weights + r * channels, mask=c_inside, other=0.0)
        # spelt out: a compiler may round either product first, and each loop over V in its own way
        total = tl.fma(split.to(tl.float32), weight.to(tl.float32), total)
    x = total.to(splits.dtype.element_ty).to(tl.float32)  # as it is stored
    return x, c, c_inside, inside


@triton.jit
def radix_sum_and_pool(
    splits,  # (N, R*C, H, W)
    weights,  # (N, R, C)
    v,  # (N, C, H, W), written
    maps,  # (N, K, 3, H, W), written
    positions,  # H * W
    channels,  # C
    v_at,
    v_next,
    split_at,
    split_next,
    least,  # of the mean of the powers
    R: tl.constexpr,
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
    splits += sample * (R * channels * positions) + at * split_at
    v += sample * (channels * positions) + at * v_at
    weights += sample * (R * channels)

    total = tl.zeros((BLOCK, CHANNELS), tl.float32)
    largest = tl.zeros((BLOCK, CHANNELS), tl.float32)  # nothing is below 0
    powers = tl.zeros((BLOCK, CHANNELS), tl.float32)
    for start in range(0, GROUP, CHANNELS):
        x, c, c_inside, inside = _tile_of_v(
            splits, weights, start, k, at_inside, channels, split_next, R, GROUP, CHANNELS
        )
        tl.store(v + c * v_next, x.to(v.dtype.element_ty), mask=inside)
        total += x
        largest = tl.maximum(largest, x)
        powers += _power(x, P)
    gem = tl.maximum(tl.sum(powers, 1)[:, None] / GROUP, least)
    gem = tl.exp2(tl.log2(gem) * (1.0 / P))
    maps += (sample * groups + k) * (3 * positions) + at
    tl.store(maps, tl.sum(total, 1)[:, None] / GROUP, mask=at_inside)
    tl.store(maps + positions, tl.max(largest, 1)[:, None], mask=at_inside)
    tl.store(maps + 2 * positions, gem, mask=at_inside)


@triton.jit
def radix_sum_and_pool_backward(
    splits,  # (N, R*C, H, W)
    weights,  # (N, R, C)
    maps,  # (N, K, 3, H, W)
    grad_maps,  # (N, K, 3, H, W)
    grad_v,  # (N, C, H, W)
    grad_splits,  # as splits, written
    grad_weights,  # (blocks of positions, N, R, C), written: to be summed over the blocks
    positions,
    channels,
    v_at,
    v_next,
    split_at,
    split_next,
    R: tl.constexpr,
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
    splits += sample * (R * channels * positions) + at * split_at
    grad_splits += sample * (R * channels * positions) + at * split_at
    grad_v += sample * (channels * positions) + at * v_at
    weights += sample * (R * channels)
    grad_weights += (tl.program_id(0) * tl.num_programs(1) + sample) * (R * channels)

    # the largest value and how many channels share it; not the one in maps, from which that of
    # another kernel may differ in the last bit
    largest = tl.zeros((BLOCK, CHANNELS), tl.float32)
    count = tl.zeros((BLOCK, CHANNELS), tl.float32)
    for start in range(0, GROUP, CHANNELS):
        x, c, c_inside, inside = _tile_of_v(
            splits, weights, start, k, at_inside, channels, split_next, R, GROUP, CHANNELS
        )
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
        x, c, c_inside, inside = _tile_of_v(
            splits, weights, start, k, at_inside, channels, split_next, R, GROUP, CHANNELS
        )
        grad = tl.load(grad_v + c * v_next, mask=inside, other=0.0).to(tl.float32) + grad_mean
        grad += grad_gem * _power(x / gem, P - 1)
        grad += tl.where((x == maximum) & inside, grad_max, 0.0)
        for r in tl.static_range(R):
            shift = r * channels
            pointers = splits + (c + shift) * split_next
            split = tl.load(pointers, mask=inside, other=0.0).to(tl.float32)
            weight = tl.load(weights + c + shift, mask=c_inside, other=0.0).to(tl.float32)
            out = (grad * weight).to(grad_splits.dtype.element_ty)
            tl.store(grad_splits + (c + shift) * split_next, out, mask=inside)
            # outside the splits are 0, and grad is finite
            total = tl.sum(grad * split, 0)[None, :]
            tl.store(grad_weights + c + shift, total, mask=c_inside)


@triton.jit
def gate_backward(
    grad,  # (N, C, H, W)
    product,  # (N, C, H, W): V times the gate
    u,  # (N, K, H, W)
    grad_v,  # as grad, written
    grad_u,  # as u, written
    positions,
    channels,
    v_at,
    v_next,
    scale,  # the gate is scale * sigmoid(u)
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

    total = tl.zeros((BLOCK, CHANNELS), tl.float32)
    for start in range(0, GROUP, CHANNELS):
        c = start + tl.arange(0, CHANNELS)[None, :]
        inside = at_inside & (c < GROUP)
        pointers = offset + (k * GROUP + c) * v_next
        g = tl.load(grad + pointers, mask=inside, other=0.0).to(tl.float32)
        total += g * tl.load(product + pointers, mask=inside, other=0.0).to(tl.float32)
        tl.store(grad_v + pointers, (g * factor).to(grad_v.dtype.element_ty), mask=inside)
    # for a large u, 1 - sigmoid(u) would be 0
    result = tl.sum(total, 1)[:, None] * tl.sigmoid(-gate_u)
    tl.store(grad_u + u_offset, result, mask=at_inside)
