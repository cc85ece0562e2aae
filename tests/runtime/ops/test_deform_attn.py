"""Deformable attention, by the function that mmcv calls on GPUs alone, on any device."""

import itertools

import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch.autograd import gradcheck
from torch.profiler import ProfilerActivity, profile

from tests.support.helpers import REDUCED
from tests.support.operators import DEVICES, served

pytestmark = served
MAPS = [(6, 5), (3, 2), (1, 1)]


def inputs(maps=MAPS, n=2, queries=7, heads=4, channels=3, points=2, device="cpu", seed=0):
    """The arguments of the function: some points lie outside the maps."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64).to(device)

    shapes = torch.tensor(maps, device=device)
    keys = shapes.prod(1)
    starts = keys.cumsum(0) - keys
    value = draw(n, int(keys.sum()), heads, channels) - 0.5
    locations = 1.6 * draw(n, queries, heads, len(maps), points, 2) - 0.3
    weights = draw(n, queries, heads, len(maps), points)
    return value, shapes, starts, locations, weights


def attend(value, shapes, starts, locations, weights):
    return MultiScaleDeformableAttnFunction.apply(value, shapes, starts, locations, weights, 64)


def leaves(tensors, dtype):
    return [t.to(dtype).requires_grad_() if t.is_floating_point() else t for t in tensors]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "queries"), [(1, 1), (2, 7), (1, 60)])
def test_it_is_mmcvs_python_version(device, n, queries):
    tensors = inputs(n=n, queries=queries, device=device)
    ours, theirs = leaves(tensors, torch.float32), leaves(tensors, torch.float32)
    found = attend(*ours)
    value, shapes, _, locations, weights = theirs
    wanted = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    wanted.backward(gradient)
    for a, b in zip(ours, theirs):
        if a.requires_grad:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 4, 30])
def test_gradients(device, channels):
    tensors = inputs(MAPS[:2], 1, 3, 2, channels, device=device)
    how = dict(nondet_tol=1e-12 if device == "cuda" else 0, fast_mode=channels > 1)
    assert gradcheck(attend, leaves(tensors, torch.float64), **how)


@pytest.mark.parametrize("dtype", REDUCED)
def test_reduced_precision(dtype):
    reduced = leaves(inputs(), dtype)
    exact = [t.detach().double().requires_grad_() if t.requires_grad else t for t in reduced]
    found, wanted = attend(*reduced), attend(*exact)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), wanted, rtol=0.02, atol=0.02)
    found.sum().backward()
    wanted.sum().backward()
    for a, b in zip(reduced, exact):
        if a.requires_grad:
            assert a.grad.dtype == dtype
            torch.testing.assert_close(a.grad.double(), b.grad, rtol=0.05, atol=0.05)


def test_other_layouts_and_nothing():
    tensors = inputs()
    plain, other = leaves(tensors, torch.float64), leaves(tensors, torch.float64)
    strided = [t.mT.contiguous().mT if t.requires_grad else t for t in other]
    found, wanted = attend(*strided), attend(*plain)
    torch.testing.assert_close(found, wanted)
    (found**2).sum().backward()
    (wanted**2).sum().backward()
    for a, b in zip(other, plain):
        if a.requires_grad:
            torch.testing.assert_close(a.grad, b.grad)
    for n, queries in ((0, 3), (2, 0)):
        empty = leaves(inputs(n=n, queries=queries), torch.float32)
        found = attend(*empty)
        assert found.shape == (n, queries, 12)
        found.sum().backward()
        assert all(not t.grad.any() for t in empty if t.requires_grad)


def test_autocast_changes_nothing():
    tensors = leaves(inputs(), torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        cast = attend(*tensors)
    assert torch.equal(cast, attend(*tensors))


def test_a_point_one_step_outside_has_no_gradient():
    """Where an offset of -1 from the first position leads: grid_sample's is that of one side."""
    value, shapes, starts, locations, weights = inputs([(4, 4)], 1, 1, 1, 1, 1)
    locations = torch.full_like(locations, -0.125).requires_grad_()  # (-1 + 0.5) / 4
    attend(value, shapes, starts, locations, weights).sum().backward()
    assert not locations.grad.any()


def test_what_is_kept_for_the_backward_is_the_inputs():
    tensors = leaves(inputs(), torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        attend(*tensors)
    assert {t.data_ptr() for t in kept} == {t.data_ptr() for t in tensors}


def peak(function):
    """The most bytes that a function held at a time, beyond what there was before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        function()
    events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(itertools.accumulate(event.nbytes() for event in events))


@pytest.mark.parametrize("dtype", [torch.float32, *REDUCED[:1]])
def test_memory_of_the_backward(dtype):
    """Of an encoder's layer, on top of the inputs and gradients: less than a fifth of them."""
    maps = [(100, 100), (50, 50), (25, 25), (13, 13)]
    tensors = leaves(inputs(maps, 1, 13294, 8, 32, 4), dtype)
    output = attend(*tensors)
    gradient = torch.ones_like(output)
    learned = [t for t in tensors if t.requires_grad]
    on_top = peak(lambda: torch.autograd.grad(output, learned, gradient))
    held = sum(t.nbytes for t in learned)
    assert held + gradient.nbytes + on_top < 1.2 * (2 * held + gradient.nbytes)
