import numpy as np
import pytest
import torch

from mmresneskt.network.split_attention import SplitAttentionConv2d

from . import reference
from .helpers import randomize


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
