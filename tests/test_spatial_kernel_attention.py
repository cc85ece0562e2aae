import numpy as np
import pytest
import torch

from mmresneskt.network.fast.gate import GATES, apply_gate
from mmresneskt.network.spatial_kernel_attention import SpatialKernelAttention

from . import reference
from .helpers import REDUCED, randomize


@pytest.mark.parametrize("gate", list(GATES))
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    ("groups", "kernels"), [(1, (3, 5)), (4, (3, 5)), (2, (1, 3, 7)), (2, (5,))]
)
def test_equals_the_reference(gate, share, groups, kernels):
    module = SpatialKernelAttention(
        12, groups=groups, kernels=kernels, gate=gate, share_kernels=share
    )
    randomize(module).double().eval()
    v = torch.randn(2, 12, 6, 5, dtype=torch.float64).relu()
    expected, weights = reference.spatial_kernel_attention(module, v.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(module(v).numpy(), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(module.attention(v)[1].numpy(), weights, rtol=1e-10)


def test_float32_stays_within_1e_6_of_float64():
    module = randomize(SpatialKernelAttention(64)).eval()
    v = torch.randn(2, 64, 14, 14).relu()
    with torch.no_grad():
        single = module(v)
        double = module.double()(v.double())
    assert (single - double).abs().max() < 1e-6 * double.abs().max()


@pytest.mark.parametrize(
    ("gate", "factor"), [("double_sigmoid", 1.0), ("sigmoid", 0.5)], ids=["identity", "half"]
)
def test_a_fresh_module_multiplies_by_a_constant_to_the_bit(gate, factor):
    v = torch.randn(2, 16, 7, 9)
    assert torch.equal(SpatialKernelAttention(16, groups=4, gate=gate)(v), v * factor)


def test_the_printed_gate_does_not_start_dead():
    v = torch.rand(2, 16, 7, 9)
    assert SpatialKernelAttention(16, gate="linear")(v).abs().max() > 0


@pytest.mark.parametrize("gate", list(GATES))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("groups", [1, 4])
def test_the_gates_gradients_are_those_of_the_product_written_out(gate, layout, groups):
    v = torch.rand(2, 8, 5, 6, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    u = torch.randn(2, groups, 5, 6, dtype=torch.float64, requires_grad=True)
    found = apply_gate(v, u, gate)
    wanted = v * GATES[gate](u).repeat_interleave(8 // groups, 1)
    assert torch.equal(found, wanted)
    assert found.is_contiguous(memory_format=layout)
    grad = torch.randn_like(found)
    for mine, other in zip(
        torch.autograd.grad(found, (v, u), grad), torch.autograd.grad(wanted, (v, u), grad)
    ):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def test_a_closed_gate_has_a_finite_gradient():
    v, u = torch.rand(1, 4, 2, 2).requires_grad_(), torch.full((1, 1, 2, 2), -200.0)
    apply_gate(v, u.requires_grad_(), "double_sigmoid").sum().backward()
    assert torch.equal(u.grad, torch.zeros_like(u))
    assert torch.equal(v.grad, torch.zeros_like(v))


def test_gradcheck_and_every_parameter_learns():
    module = randomize(SpatialKernelAttention(4, groups=2, gem_trainable=True)).double()
    v = torch.rand(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (v,))
    module(v).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("dtype", REDUCED)
def test_half_precision_and_autocast_stay_finite_at_ten_thousand(dtype):
    torch.manual_seed(0)  # of some weights the gradient itself is beyond float16
    module = randomize(SpatialKernelAttention(16))
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


def test_a_batch_of_one_trains():
    module = randomize(SpatialKernelAttention(16)).train()
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
