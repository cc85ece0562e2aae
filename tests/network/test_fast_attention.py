"""The spatial attention with backward passes written by hand against the plain one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmresneskt.network.fast import FastSpatialKernelAttention
from mmresneskt.network.spatial_kernel_attention import GATES, SpatialKernelAttention
from mmresneskt.paper.benchmark.speed import saved_bytes
from tests.support.helpers import REDUCED, randomize

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def both(**arguments):
    plain = randomize(SpatialKernelAttention(12, **arguments))
    fast = FastSpatialKernelAttention(12, **arguments)
    fast.load_state_dict(plain.state_dict())
    return plain, fast


def results(module, v, grad):
    """The module's output, and the gradients of V and of its parameters."""
    leaf = v.clone().requires_grad_()
    out = module(leaf)
    return out, *torch.autograd.grad(out, (leaf, *module.parameters()), grad)


@settings(max_examples=40, deadline=None)
@given(
    gate=st.sampled_from(list(GATES)),
    groups=st.sampled_from([1, 3]),
    share=st.booleans(),
    trainable=st.booleans(),
    p=st.sampled_from([0.5, 1.0, 3.0, 20.0]),
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 99),
)
def test_equal_to_autograds(gate, groups, share, trainable, p, layout, seed):
    arguments = dict(gate=gate, groups=groups, share_kernels=share)
    plain, fast = both(gem_p=p, gem_trainable=trainable, **arguments)
    torch.manual_seed(seed)
    v = torch.randn(2, 12, 5, 6, dtype=torch.float64)  # half of it below eps
    v[:, :, 0, 0] = 0  # all equal: they share the maximum's gradient
    v, grad = (x.to(memory_format=layout) for x in (v, torch.randn_like(v)))
    wanted, found = (results(module.double(), v, grad) for module in (plain, fast))
    assert torch.equal(found[0], wanted[0])
    assert all(x.is_contiguous(memory_format=layout) for x in found[:2])
    for mine, other in zip(found, wanted):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-8)


def test_float32_gradients_stay_within_1e_5_of_float64():
    module = both()[1].eval()  # a batch norm over two samples would make much of rounding
    torch.manual_seed(0)
    v, grad = torch.randn(2, 12, 14, 14).relu(), torch.randn(2, 12, 14, 14)
    single = results(module, v, grad)
    double = results(module.double(), v.double(), grad.double())
    for mine, other in zip(single, double):
        assert (mine - other).abs().max() <= 1e-5 * other.abs().max()


@pytest.mark.parametrize("dtype", REDUCED)
def test_gradients_of_half_precision_stay_near_those_of_float64(dtype):
    module = both(groups=2)[1].eval()
    torch.manual_seed(0)
    v, grad = torch.randn(2, 12, 14, 14).relu().to(dtype), torch.randn(2, 12, 14, 14).to(dtype)
    half = results(module, v, grad)
    exact = results(module.double(), v.double(), grad.double())
    assert half[0].dtype == half[1].dtype == dtype
    for mine, other in zip(half, exact):
        assert (mine - other).norm() <= 5 * torch.finfo(dtype).eps * other.norm()


@pytest.mark.parametrize("gate", ["double_sigmoid", "sigmoid"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_closed_gate_has_finite_gradients(gate, dtype):
    module = both(gate=gate)[1]
    for kernel in module.kernels:
        torch.nn.init.constant_(kernel, -100.0)
    v = torch.rand(2, 12, 6, 6).to(dtype).requires_grad_()
    out = module(v)
    assert not out.any()
    out.float().sum().backward()
    assert v.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gate", list(GATES))
def test_of_vs_size_only_the_result_is_kept(gate, layout):
    module = both(gate=gate)[1]
    v = torch.rand(2, 12, 32, 32).to(memory_format=layout).requires_grad_()
    maps = 2 * 3 * 32 * 32 * 4
    assert saved_bytes(lambda: module(v * 1).sum()) <= v.nbytes + 5 * maps


@pytest.mark.parametrize("groups", [1, 4])
def test_without_a_gradient_v_may_be_written_over(groups):
    v = torch.rand(2, 12, 5, 6)
    kept = v.clone()
    module = randomize(FastSpatialKernelAttention(12, groups=groups)).eval()
    with torch.no_grad():
        wanted = module(v)
        assert torch.equal(v, kept)
        module.inplace = True
        out = module(v)
    assert torch.equal(out, wanted)
    assert out.data_ptr() == v.data_ptr()
    module(kept).sum().backward()  # the parameters' gradients need V
    assert not torch.equal(kept, wanted)


def test_a_second_backward_pass_over_the_same_graph():
    module = both()[1]
    v = torch.rand(2, 12, 5, 6, requires_grad=True)
    out = module(v).square().sum()
    first = torch.autograd.grad(out, v, retain_graph=True)
    assert torch.equal(first[0], torch.autograd.grad(out, v)[0])


def test_a_loss_that_has_no_way_back_to_v_is_told_another():
    module = both()[1]
    seen = []
    module.select.register_forward_hook(lambda module, x, out: seen.append(out))
    module(torch.rand(2, 12, 5, 6, requires_grad=True))
    with pytest.raises(RuntimeError, match=r"take SpatialKernelAttention.attention\(v\)"):
        seen[0].sum().backward()
