import numpy as np
import pytest
import torch

from mmresneskt.network.fast import FastSpatialKernelAttention
from mmresneskt.network.spatial_kernel_attention import GATES, SpatialKernelAttention
from tests.support import reference
from tests.support.helpers import REDUCED, randomize


@pytest.fixture(params=[SpatialKernelAttention, FastSpatialKernelAttention])
def kind(request):
    """The plain module, and the one whose backward passes are written by hand."""
    return request.param


@pytest.mark.parametrize("gate", list(GATES))
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    ("groups", "kernels"), [(1, (3, 5)), (4, (3, 5)), (2, (1, 3, 7)), (2, (5,))]
)
def test_equals_the_reference(kind, gate, share, groups, kernels):
    module = kind(12, groups=groups, kernels=kernels, gate=gate, share_kernels=share)
    randomize(module).double().eval()
    v = torch.randn(2, 12, 6, 5, dtype=torch.float64).relu()
    expected, weights = reference.spatial_kernel_attention(module, v.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(module(v).numpy(), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(module.attention(v)[1].numpy(), weights, rtol=1e-10)


def test_float32_stays_within_1e_6_of_float64(kind):
    module = randomize(kind(64)).eval()
    v = torch.randn(2, 64, 14, 14).relu()
    with torch.no_grad():
        single = module(v)
        double = module.double()(v.double())
    assert (single - double).abs().max() < 1e-6 * double.abs().max()


@pytest.mark.parametrize(
    ("gate", "factor"), [("double_sigmoid", 1.0), ("sigmoid", 0.5)], ids=["identity", "half"]
)
def test_a_fresh_module_multiplies_by_a_constant_to_the_bit(kind, gate, factor):
    v = torch.randn(2, 16, 7, 9)
    assert torch.equal(kind(16, groups=4, gate=gate)(v), v * factor)


def test_the_printed_gate_does_not_start_dead(kind):
    v = torch.rand(2, 16, 7, 9)
    assert kind(16, gate="linear")(v).abs().max() > 0


def test_gradcheck_and_every_parameter_learns(kind):
    module = randomize(kind(4, groups=2, gem_trainable=True)).double()
    v = torch.rand(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (v,))
    module(v).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("dtype", REDUCED)
def test_half_precision_and_autocast_stay_finite_at_ten_thousand(kind, dtype):
    torch.manual_seed(0)  # of some weights the gradient itself is beyond float16
    module = randomize(kind(16))
    v = torch.full((2, 16, 6, 6), 1e4)
    with torch.autocast("cpu", dtype):
        half = v.to(dtype).requires_grad_()
        out = module(half)
    assert out.dtype == dtype
    out.float().mean().backward()
    assert half.grad.isfinite().all()
    for parameter in module.parameters():
        assert parameter.grad.isfinite().all()
    assert module.to(dtype).eval()(v.to(dtype)).isfinite().all()


def test_a_batch_of_one_trains(kind):
    module = randomize(kind(16)).train()
    before = module.bn.running_mean.clone()
    module(torch.rand(1, 16, 4, 4)).sum().backward()
    assert torch.equal(module.bn.running_mean, before)  # one value has no variance to learn
    module(torch.rand(2, 16, 4, 4)).sum().backward()
    assert not torch.equal(module.bn.running_mean, before)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (dict(groups=5), "spatial_groups=5"),
        (dict(groups=0), "spatial_groups=0"),
        (dict(kernels=(3, 4)), r"spatial_kernels=\(3, 4\)"),
        (dict(kernels=()), "spatial_kernels="),
        (dict(gate="tanh"), "spatial_gate='tanh'.*double_sigmoid"),
        (dict(gem_p=0), "gem_p=0"),
    ],
)
def test_a_bad_argument_is_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        SpatialKernelAttention(16, **arguments)
