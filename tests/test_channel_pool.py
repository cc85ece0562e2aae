import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmresneskt.network.channel_pool import ChannelPool

from .reference import gem


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


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("p", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("trainable", [True, False])
def test_the_gradient_written_by_hand_is_autograds(groups, p, trainable):
    pool = ChannelPool(p, trainable, groups=groups).double()
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64)  # half of them below eps
    x[:, :, 0, 0] = 0  # all equal: they share the maximum's gradient
    x.requires_grad_()
    maps = pool(x)
    grad = torch.randn_like(maps)
    exponent = pool.exponent()
    start = torch.randn_like(x)
    with torch.no_grad():
        found, found_p = pool.add_gradient(x.detach().clone(), maps.detach(), grad, exponent, start)
    wanted = torch.autograd.grad(maps, (x, pool.log_p) if trainable else (x,), grad)
    torch.testing.assert_close(found, start + wanted[0], rtol=1e-10, atol=1e-10)
    if trainable:  # through p = exp(log_p)
        torch.testing.assert_close((found_p * exponent).float(), wanted[1].float())
    else:
        assert found_p is None


@pytest.mark.parametrize("p", [0, -1.0, float("inf"), float("nan")])
def test_a_bad_exponent_is_named(p):
    with pytest.raises(ValueError, match="gem_p="):
        ChannelPool(p)
