import numpy as np
import pytest
import torch

from mmresneskt.network.split_attention import SplitAttentionConv2d, radix_sum
from mmresneskt.paper.benchmark.speed import saved_bytes
from tests.support import reference
from tests.support.helpers import randomize


@pytest.mark.parametrize(
    ("cardinality", "radix", "attention_groups"),
    [(1, 2, None), (1, 1, None), (2, 2, None), (4, 3, 1), (2, 4, 2), (4, 1, None)],
)
def test_equals_the_reference(cardinality, radix, attention_groups):
    module = SplitAttentionConv2d(
        48, 48, cardinality=cardinality, radix=radix, attention_groups=attention_groups
    )
    randomize(module).double().eval()
    x = torch.randn(2, 48, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        u = module.bn0(module.conv(x)).relu().numpy()
        out = module(x).numpy()
    np.testing.assert_allclose(out, reference.split_attention(module, u), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("radix", "total"), [(1, None), (2, 1.0), (4, 1.0)])
def test_weights_of_the_splits_sum_to_one(radix, total):
    module = randomize(SplitAttentionConv2d(32, 32, radix=radix)).eval()
    weights = module.attention(torch.rand(3, 32 * radix, 4, 4))
    assert weights.shape == (3, radix, 32, 1, 1)
    if total is None:
        assert ((weights > 0) & (weights < 1)).all()
    else:
        torch.testing.assert_close(weights.sum(1), torch.full((3, 32, 1, 1), total))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("radix", [1, 2, 4])
def test_the_sum_and_its_gradients_in_the_splits_type_and_layout(radix, dtype, layout):
    splits = torch.rand(2, 6 * radix, 3, 4).to(dtype).to(memory_format=layout).requires_grad_()
    weights = torch.rand(2, radix, 6, 1, 1, requires_grad=True)
    found = radix_sum(splits, weights)
    wanted = (splits.double().unflatten(1, (radix, -1)) * weights.double()).sum(1)
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=layout)
    tolerance = {torch.float16: 1e-2, torch.bfloat16: 5e-2, torch.float32: 1e-6}[dtype]
    close = dict(rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found.double(), wanted, **close)
    grad = torch.randn_like(found)
    found_grads = torch.autograd.grad(found, (splits, weights), grad)
    wanted_grads = torch.autograd.grad(wanted, (splits, weights), grad.double())
    assert [x.dtype for x in found_grads] == [dtype, torch.float32]
    for mine, other in zip(found_grads, wanted_grads):
        limit = tolerance * other.abs().max().item()
        torch.testing.assert_close(mine.double(), other.double(), rtol=tolerance, atol=limit)


def test_the_sum_keeps_nothing_but_the_splits_and_the_weights():
    splits, weights = torch.rand(2, 48, 9, 9), torch.rand(2, 3, 16, 1, 1)
    leaves = [x.requires_grad_() for x in (splits, weights)]
    kept = saved_bytes(lambda: radix_sum(*leaves).sum())
    assert kept == splits.nbytes + weights.nbytes


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (dict(cardinality=3), r"cardinality \* radix=6"),
        (dict(radix=5), r"cardinality \* radix=5"),
        (dict(attention_groups=7), "attention_groups=7"),
        (dict(attention_groups=0), "attention_groups=0"),
    ],
)
def test_a_group_count_that_does_not_divide_is_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        SplitAttentionConv2d(32, 32, **arguments)
