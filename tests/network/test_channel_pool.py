import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmresneskt.network.channel_pool import ChannelPool
from tests.support.reference import gem


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    groups=st.integers(1, 3),
    channels=st.integers(1, 9),
    p=st.floats(0.5, 20),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_equals_the_formula_in_float64(seed, groups, channels, p, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, scale, (2, groups, channels, 3, 4))
    out = ChannelPool(p, groups=groups)(torch.from_numpy(x).flatten(1, 2)).numpy()
    for n in range(2):
        for k in range(groups):
            np.testing.assert_allclose(out[n, k, 0], x[n, k].mean(0), rtol=1e-12)
            np.testing.assert_array_equal(out[n, k, 1], x[n, k].max(0))
            np.testing.assert_allclose(out[n, k, 2], gem(x[n, k], p), rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_gradients_are_finite_at_zero_and_at_ten_thousand(dtype):
    for value in (0.0, 1e4):
        x = torch.full((2, 8, 3, 3), value, dtype=dtype, requires_grad=True)
        out = ChannelPool(3.0)(x)
        assert out.dtype == torch.float32
        # half precision rounds 1e4 itself, by up to 0.4 % in bfloat16
        torch.testing.assert_close(out[:, 0, 2], x.detach()[:, 0].float(), atol=2e-6, rtol=1e-6)
        out.sum().backward()
        assert x.grad.isfinite().all()


def test_gradcheck():
    x = torch.rand(1, 8, 2, 2, dtype=torch.float64) + 0.1
    pool = ChannelPool(3.0, trainable=True, groups=2).double()
    assert torch.autograd.gradcheck(pool, (x.requires_grad_(),))


@pytest.mark.parametrize("p", [0, -1.0, float("inf"), float("nan")])
def test_a_bad_exponent_is_named(p):
    with pytest.raises(ValueError, match="gem_p="):
        ChannelPool(p)
