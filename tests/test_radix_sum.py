import pytest
import torch

from mmresneskt.network.channel_pool import ChannelPool
from mmresneskt.network.fast.radix_sum import radix_sum, radix_sum_and_pool

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def inputs(radix, layout=torch.contiguous_format, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    splits = torch.randn(2, 6 * radix, 3, 4, dtype=dtype).relu().to(memory_format=layout)
    weights = torch.rand(2, radix, 6, 1, 1, dtype=dtype)
    return splits.requires_grad_(), weights.requires_grad_()


def written_out(splits, weights):
    return (splits.unflatten(1, (weights.size(1), -1)) * weights).sum(1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("radix", [1, 2, 4])
def test_the_sum_and_its_gradients(radix, layout):
    splits, weights = inputs(radix, layout)
    found, wanted = radix_sum(splits, weights), written_out(splits, weights)
    torch.testing.assert_close(found, wanted, rtol=1e-14, atol=1e-14)
    assert found.is_contiguous(memory_format=layout)
    grad = torch.randn_like(found)
    for mine, other in zip(
        torch.autograd.grad(found, (splits, weights), grad),
        torch.autograd.grad(wanted, (splits, weights), grad),
    ):
        torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-13)
    assert torch.autograd.gradcheck(radix_sum, (splits, weights))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("groups", "p", "trainable"), [(1, 3.0, False), (3, 3.0, True), (2, 1.5, True)]
)
def test_the_maps_and_all_gradients(groups, p, trainable, layout):
    pool = ChannelPool(p, trainable, groups=groups).double()
    splits, weights = inputs(2, layout)
    plain = written_out(splits, weights)
    leaves = [splits, weights, *pool.parameters()]
    v, maps = radix_sum_and_pool(splits, weights, pool)
    torch.testing.assert_close(maps, pool(plain), rtol=1e-12, atol=1e-12)
    grads = torch.randn_like(v), torch.randn_like(maps)
    found = torch.autograd.grad((v, maps), leaves, grads)
    wanted = torch.autograd.grad((plain, pool(plain)), leaves, grads)
    for mine, other in zip(found, wanted):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def test_gradcheck_where_channels_and_positions_differ():
    pool = ChannelPool(3.0, groups=2)
    splits, weights = inputs(2, seed=1)
    splits = (splits.detach() + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, w: radix_sum_and_pool(s, w, pool), (splits, weights))


def test_float32_gradients_stay_within_1e_5_of_float64():
    pool = ChannelPool(3.0)
    results = []
    for dtype in (torch.float32, torch.float64):
        splits, weights = (part.detach().to(dtype) for part in inputs(2, dtype=torch.float32))
        leaves = splits.requires_grad_(), weights.requires_grad_()
        v, maps = radix_sum_and_pool(*leaves, pool)
        results.append(torch.autograd.grad(v.square().sum() + maps.square().sum(), leaves))
    for single, double in zip(*results):
        assert (single - double).abs().max() <= 1e-5 * double.abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_splits_give_half_precision_v_and_single_precision_maps(dtype):
    splits, weights = inputs(2, dtype=torch.float32)
    half = splits.detach().to(dtype).requires_grad_()
    v, maps = radix_sum_and_pool(half, weights, ChannelPool(3.0))
    assert (v.dtype, maps.dtype) == (dtype, torch.float32)
    (v.float().sum() + maps.sum()).backward()
    assert half.grad.dtype == dtype
    assert half.grad.isfinite().all()
    assert weights.grad.dtype == torch.float32
