"""The Triton kernels: on a GPU where there is one, else by Triton's interpreter.

They are held against float64, against the eager operations and, as far as a machine without
a GPU can, against the compiler.
"""

import copy
import functools
import os
import subprocess
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmresneskt import ResNeSkt
from mmresneskt.network.channel_pool import ChannelPool
from mmresneskt.network.fast import attention, fused
from tests.support.helpers import ROOT

pytest.importorskip("triton", minversion="3")  # whose interpreter runs without a GPU

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture
def everywhere(monkeypatch):
    """Have the kernels used on CPUs too, and count their starts."""
    starts = []
    launch = fused._launch
    monkeypatch.setattr(attention, "fused", fused)
    monkeypatch.setattr(fused, "usable", lambda x, by=None: x.dtype in fused._DTYPES)
    monkeypatch.setattr(fused, "_launch", lambda *a, **k: (starts.append(a[0]), launch(*a, **k)))
    return starts


def attend(v, u, pool):
    """What a network does with V, but for what lies between its maps and U."""
    handed = []
    v, maps = attention._Pool.apply(v, pool.exponent(), pool, handed)
    return attention._Gate.apply(v, u, "double_sigmoid", handed), maps


def results(case, dtype, layout):
    """Product, maps and the gradients of both inputs."""
    v, u, grad, grad_maps, pool = case
    v, grad = (x.to(dtype).to(memory_format=layout) for x in (v, grad))
    wide = torch.float64 if dtype is torch.float64 else torch.float32
    leaves = [leaf.to(DEVICE).requires_grad_() for leaf in (v, u.to(wide))]
    product, maps = attend(*leaves, pool)
    grads = grad.to(DEVICE), grad_maps.to(DEVICE, wide)
    found = torch.autograd.grad((product, maps), leaves, grads)
    assert product.dtype == found[0].dtype == dtype
    assert product.is_contiguous(memory_format=layout)
    return [x.detach().double() for x in (product, maps, *found)]


def draw(n=2, groups=1, width=6, height=5, length=7, p=3.0, seed=0):
    """V of numbers that every type has, some of them below 0, and powers of two as its gate.

    The gate leaves V as it is in every type, so that the same channels share the maximum.
    """
    torch.manual_seed(seed)
    channels = groups * width
    v = torch.randint(-8, 32, (n, channels, height, length)) / 4
    u = torch.zeros(n, groups, height, length)
    grad = torch.randn(n, channels, height, length)
    return v, u, grad, torch.randn(n, groups, 3, height, length), ChannelPool(p, groups=groups)


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 3),
    groups=st.integers(1, 3),
    width=st.sampled_from([1, 5, 16, 17, 64, 70]),
    height=st.integers(1, 9),
    length=st.integers(1, 15),
    p=st.sampled_from([2, 3.0, 4]),
    layout=st.sampled_from(LAYOUTS),
)
def test_equal_float64(n, groups, width, height, length, p, layout):
    case = draw(n, groups, width, height, length, p)
    wanted = results(case, torch.float64, torch.contiguous_format)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "fused", fused)
        patch.setattr(fused, "usable", lambda x, by=None: True)
        found = results(case, torch.float32, layout)
    for mine, other in zip(found, wanted):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5 * other.abs().max().item())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_as_near_to_float64_as_eager(dtype, layout, everywhere, monkeypatch):
    case = draw(groups=2, width=24)
    found = results(case, dtype, layout)
    assert len(everywhere) == 3
    monkeypatch.setattr(fused, "usable", lambda x, by=None: False)
    eager = results(case, dtype, layout)
    wanted = results(case, torch.float64, layout)
    # the interpreter cuts bfloat16 off instead of rounding it
    factor = 2 if dtype is torch.bfloat16 and DEVICE.type == "cpu" else 1
    for mine, other, exact in zip(found, eager, wanted):
        assert (mine - exact).norm() <= factor * (other - exact).norm() + 1e-6 * exact.norm()


@pytest.mark.parametrize("spatial_groups", [1, 4])
def test_a_whole_network_trains_and_predicts_the_same(spatial_groups, everywhere, monkeypatch):
    torch.manual_seed(0)
    fresh = ResNeSkt(14, base_channels=8, stem_channels=8, spatial_groups=spatial_groups)
    for name, parameter in fresh.named_parameters():
        if "kernels" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    images = torch.randn(2, 3, 64, 64, device=DEVICE)
    found = []
    for usable in (fused.usable, lambda x, by=None: False):
        monkeypatch.setattr(fused, "usable", usable)
        net = copy.deepcopy(fresh).to(DEVICE).train()
        sum(x.square().mean() for x in net(images)).backward()
        grads = {name: p.grad for name, p in net.named_parameters()}
        with torch.no_grad():
            found.append((grads, net.eval()(images)))
    blocks = 4
    assert len(everywhere) == 3 * blocks + blocks
    (grads, out), (eager_grads, eager_out) = found
    torch.testing.assert_close(out, eager_out, rtol=1e-4, atol=1e-5)
    # batch norms over few values make much of rounding; wrong wiring is far beyond this
    largest = max(grad.norm() for grad in eager_grads.values())
    for name, grad in eager_grads.items():
        assert (grads[name] - grad).norm() <= 5e-3 * grad.norm() + 1e-5 * largest, name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_gradient_in_either_layout_and_of_one_number(layout, everywhere):
    v, u, grad, grad_maps, pool = draw()
    u = torch.randn_like(u)
    leaves = [x.to(DEVICE).requires_grad_() for x in (v.to(memory_format=layout), u)]
    outs = attend(*leaves, pool)
    for form in (grad, grad.to(memory_format=torch.channels_last), torch.ones(1).expand_as(grad)):
        grads = [x.to(DEVICE) for x in (form, grad_maps)]
        found = torch.autograd.grad(outs, leaves, grads, retain_graph=True)
        wide = [x.detach().double().requires_grad_() for x in leaves]
        plain = wide[0] * (2 * wide[1].sigmoid()), pool(wide[0])
        wanted = torch.autograd.grad(plain, wide, [x.double() for x in grads])
        for mine, other in zip(found, wanted):
            torch.testing.assert_close(mine.double(), other, rtol=1e-4, atol=1e-4)
    assert len(everywhere) == 1 + 3 * 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("gate", ["sigmoid", "linear"])
def test_networks_wholly_in_half_precision(dtype, gate, everywhere):
    net = ResNeSkt(14, base_channels=8, stem_channels=8, spatial_gate=gate).to(DEVICE, dtype)
    images = torch.randn(2, 3, 32, 32, dtype=dtype, device=DEVICE)
    sum(x.float().mean() for x in net(images)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
    assert len(everywhere) == 4 * (3 if gate == "sigmoid" else 2)


def test_the_trial_in_the_middle_of_a_checkpointed_forward_pass(everywhere, monkeypatch):
    tried = functools.cache(fused._is_right.__wrapped__)
    monkeypatch.setattr(fused, "usable", lambda x, by=None: tried(x.device, x.dtype))
    grads = []
    for with_cp in (True, False):
        torch.manual_seed(0)
        net = ResNeSkt(14, base_channels=8, stem_channels=8, with_cp=with_cp).to(DEVICE)
        images = torch.randn(2, 3, 32, 32, device=DEVICE)
        sum(x.square().mean() for x in net(images)).backward()
        grads.append([parameter.grad for parameter in net.parameters()])
    assert tried(DEVICE, torch.float32)
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("value", "on"), [(None, False), ("1", True)])
def test_they_are_used_where_the_environment_says_so(value, on):
    environment = {k: v for k, v in os.environ.items() if k != "MMRESNESKT_TRITON"}
    if value is not None:
        environment["MMRESNESKT_TRITON"] = value
    code = "from mmresneskt.network.fast import attention; print(attention.fused is not None)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [str(on)], done.stderr


def test_only_what_the_kernels_know_is_given_to_them(monkeypatch):
    x = torch.zeros(1, 2, 3, 3)
    assert not fused.usable(x)  # the CPU's are the eager operations
    monkeypatch.setattr(fused, "_is_right", lambda device, dtype: True)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    assert fused.usable(x)
    assert fused.usable(x, ChannelPool(3.0))
    assert fused.usable(x.to(memory_format=torch.channels_last))
    assert not any(fused.usable(x, ChannelPool(p)) for p in (1.0, 2.5, 5.0))
    assert not fused.usable(x, ChannelPool(3.0, trainable=True))
    for other in (x.double(), x[:, :, :, ::2], x[:0], torch.nn.Parameter(x)):
        assert not fused.usable(other)
    assert not fused.usable(torch.zeros(1).expand(1 << 16, 2, 1, 1).contiguous())


@pytest.mark.parametrize("dtype", fused._DTYPES)
def test_a_device_that_is_right_passes_the_trial(dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fused._is_right.__wrapped__(DEVICE, dtype)


@torch.inference_mode()
def test_the_trial_has_gradients_where_its_caller_has_none():
    assert fused._is_right.__wrapped__(DEVICE, torch.float32)


def test_a_device_that_errs_or_fails_is_left_to_eager_operations(monkeypatch):
    original = fused.pool

    def half(*args):
        return original(*args) / 2

    def fail(*args):
        raise RuntimeError("Failed to find C compiler")

    for broken, reason in ((half, "Tensor-likes"), (fail, "C compiler")):
        monkeypatch.setattr(fused, "pool", broken)
        with pytest.warns(UserWarning, match=f"not using Triton for .*{reason}"):
            assert not fused._is_right.__wrapped__(DEVICE, torch.float32)


def test_the_trial_draws_nothing_from_the_trainings_generators():
    torch.manual_seed(0)
    fused._is_right.__wrapped__(DEVICE, torch.float32)
    found = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(found, torch.rand(3))


@pytest.mark.skipif(torch.version.hip is not None, reason="AMD's Triton")
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernels_compile_for_gpus_with_wide_reads_and_nothing_spilt(capability, tmp_path):
    """In a process of its own: in this one the interpreter may be at work."""
    pytest.importorskip("triton", minversion="3.3")
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/compile_kernels.py", str(capability), tmp_path],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok") == 6
