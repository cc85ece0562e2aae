"""The operators without a torchvision kernel, against loops written out and gradcheck."""

import math

import mmcv.ops
import pytest
import torch
import torch.nn.functional as F
from mmcv.ops.deform_roi_pool import DeformRoIPoolPack, ModulatedDeformRoIPoolPack
from torch.autograd import gradcheck

from mmresneskt.runtime.ops import deform_roi_pool
from mmresneskt.runtime.ops.extension import OPERATORS
from tests.support.helpers import REDUCED, randomize
from tests.support.operators import DEVICES, ROIS, bilinear, random, served

pytestmark = served
CARAFE = [(1, 1, 2), (3, 1, 1), (3, 2, 2), (5, 1, 2), (5, 4, 3)]  # kernel, groups, scale


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("kernel", "padding"), [((3, 3), 1), ((1, 1), 0), ((3, 5), (1, 2))])
def test_a_masked_convolution_is_the_convolution_where_the_mask_is(device, kernel, padding):
    x, mask = random(1, 4, 7, 9, device=device), random(1, 7, 9, device=device)
    weight, bias = random(6, 4, *kernel, device=device), random(6, device=device)
    found = mmcv.ops.masked_conv2d(x, mask, weight, bias, padding)
    expected = F.conv2d(x, weight, bias, padding=padding) * (mask > 0)
    torch.testing.assert_close(found, expected)
    assert not mmcv.ops.masked_conv2d(x, mask * 0, weight, bias, padding).any()


@pytest.mark.parametrize(("kernel", "padding"), [(3, 0), (2, 1), (1, 2)])
def test_a_masked_convolution_that_changes_the_size(kernel, padding):
    x, mask = random(1, 2, 6, 5), torch.zeros(1, 6, 5)
    mask[0, 1:3, :3] = 1
    weight, bias = random(3, 2, kernel, kernel), random(3)
    found = mmcv.ops.masked_conv2d(x, mask, weight, bias, padding)
    expected = F.conv2d(x, weight, bias, padding=padding)
    assert found.shape == expected.shape
    torch.testing.assert_close(found[..., 1:3, :3], expected[..., 1:3, :3])
    assert found.count_nonzero() == 3 * 6


def carafe_loop(features, masks, kernel, groups, scale):
    """Every value of the output, by the definition."""
    n, channels, h, w = features.shape
    output = torch.zeros(n, channels, h * scale, w * scale, dtype=features.dtype)
    for b, c, y, x in torch.cartesian_prod(*map(torch.arange, output.shape)).tolist():
        group = c // (channels // groups)
        for i in range(kernel):
            for j in range(kernel):
                v, u = y // scale + i - kernel // 2, x // scale + j - kernel // 2
                if 0 <= v < h and 0 <= u < w:
                    weight = masks[b, group * kernel**2 + i * kernel + j, y, x]
                    output[b, c, y, x] += weight * features[b, c, v, u]
    return output


def carafe_inputs(kernel, groups, scale, shape=(2, 4, 3, 4)):
    n, _, h, w = shape
    return random(*shape), random(n, groups * kernel**2, h * scale, w * scale, seed=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", CARAFE)
def test_carafe(device, settings):
    features, masks = carafe_inputs(*settings)
    expected = carafe_loop(features, masks, *settings)
    for function in (mmcv.ops.carafe, mmcv.ops.carafe_naive):
        found = function(features.to(device), masks.to(device), *settings)
        torch.testing.assert_close(found.cpu(), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", CARAFE)
def test_gradients_of_carafe(device, settings):
    inputs = [t.to(device).requires_grad_() for t in carafe_inputs(*settings, (1, 4, 2, 2))]
    assert gradcheck(lambda *t: mmcv.ops.carafe(*t, *settings), inputs)


@pytest.mark.parametrize("settings", CARAFE)
def test_gradients_of_naive_carafe_are_those_of_carafe(settings):
    """By the operator itself: mmcv's function asserts that it runs on a GPU."""
    features, masks = carafe_inputs(*settings)
    leaves = features.requires_grad_(), masks.requires_grad_()
    output = mmcv.ops.carafe(*leaves, *settings)
    gradient = random(*output.shape, seed=2)
    output.backward(gradient)
    found = [torch.zeros_like(leaf) for leaf in leaves]
    geometry = dict(zip(("kernel_size", "group_size", "scale_factor"), settings))
    OPERATORS["carafe_naive_backward"](gradient, features, masks, *found, **geometry)
    for a, leaf in zip(found, leaves):
        torch.testing.assert_close(a, leaf.grad)


def test_carafe_in_other_layouts_and_on_nothing():
    features, masks = carafe_inputs(3, 2, 2)
    inputs = [[t.clone().requires_grad_() for t in (features, masks)] for _ in range(2)]
    plain = mmcv.ops.carafe(*inputs[0], 3, 2, 2)
    strided = [t.to(memory_format=torch.channels_last) for t in inputs[1]]
    last = mmcv.ops.carafe(*strided, 3, 2, 2)
    torch.testing.assert_close(plain, last)
    (plain**2).sum().backward()
    (last**2).sum().backward()
    for a, b in zip(*inputs):
        torch.testing.assert_close(a.grad, b.grad)
    empty = mmcv.ops.carafe(features[:0].requires_grad_(), masks[:0], 3, 2, 2)
    assert empty.shape == (0, 4, 6, 8)
    empty.sum().backward()


def pool_loop(features, rois, offset, size, scale, ratio, gamma):
    """Every bin, sample by sample."""
    height, width = size
    output = features.new_zeros(len(rois), features.size(1), height, width)
    for m, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (corner * scale - 0.5 for corner in corners)
        h, w = bottom - top, right - left
        rows = ratio or max(math.ceil(h / height), 0)
        columns = ratio or max(math.ceil(w / width), 0)
        for i in range(height):
            for j in range(width):
                dx, dy = (0, 0) if offset is None else offset[m, :, i, j].tolist()
                for row in range(rows):
                    for column in range(columns):
                        y = top + gamma * h * dy + (i + (row + 0.5) / rows) * h / height
                        x = left + gamma * w * dx + (j + (column + 0.5) / columns) * w / width
                        output[m, :, i, j] += bilinear(features[int(image)], y, x)
        output[m] /= max(rows * columns, 1)
    return output


POOLS = [  # size, scale, ratio, gamma
    ((3, 2), 0.5, 0, 0.1),
    ((2, 3), 0.25, 2, 1.0),
    ((1, 1), 1.0, 3, 0.3),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", POOLS)
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("chunk", [1, deform_roi_pool.SAMPLED])
def test_deform_roi_pool(device, settings, moved, chunk, monkeypatch):
    monkeypatch.setattr(deform_roi_pool, "SAMPLED", chunk)
    features = random(2, 3, 12, 14)
    offset = random(len(ROIS), 2, *settings[0], seed=1) if moved else None
    expected = pool_loop(features, ROIS, offset, *settings)
    offset = offset.to(device) if moved else None
    found = mmcv.ops.deform_roi_pool(features.to(device), ROIS.to(device), offset, *settings)
    torch.testing.assert_close(found.cpu(), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", POOLS)
@pytest.mark.parametrize("chunk", [1, deform_roi_pool.SAMPLED])
def test_gradients_of_deform_roi_pool(device, settings, chunk, monkeypatch):
    monkeypatch.setattr(deform_roi_pool, "SAMPLED", chunk)
    features = random(2, 2, 8, 9, device=device).requires_grad_()
    offset = random(len(ROIS), 2, *settings[0], device=device, seed=1).requires_grad_()
    rois = ROIS.to(device)

    def pool(features, offset=None):
        return mmcv.ops.deform_roi_pool(features, rois, offset, *settings)

    how = dict(nondet_tol=1e-12 if device == "cuda" else 0, fast_mode=chunk == 1)
    assert gradcheck(pool, (features, offset), **how)
    assert gradcheck(pool, (features,), **how)


def test_deform_roi_pool_without_offsets_is_roi_align():
    features = random(2, 3, 12, 14)
    found = mmcv.ops.deform_roi_pool(features, ROIS[:4], None, (7, 7), 0.5)
    expected = mmcv.ops.roi_align(features, ROIS[:4], (7, 7), 0.5, 0, "avg", True)
    torch.testing.assert_close(found, expected)
    on_nothing = mmcv.ops.deform_roi_pool(features, ROIS[:0], None, (7, 7), 0.5)
    assert on_nothing.shape == (0, 3, 7, 7)


@pytest.mark.parametrize("kind", [DeformRoIPoolPack, ModulatedDeformRoIPoolPack])
def test_the_layers_that_learn_the_offsets(kind):
    torch.manual_seed(0)
    layer = randomize(kind((2, 3), 3, 8, spatial_scale=0.5).double())
    features = random(2, 3, 12, 14).requires_grad_()
    assert gradcheck(lambda x: layer(x, ROIS[:3]), (features,), fast_mode=True)
    layer(features, ROIS).sum().backward()
    assert all(parameter.grad.any() for parameter in layer.parameters())


@pytest.mark.parametrize("dtype", REDUCED)
def test_reduced_precision(dtype):
    features, masks = (t.to(dtype).requires_grad_() for t in carafe_inputs(3, 2, 2))
    offset = random(len(ROIS), 2, 2, 2, seed=1).to(dtype).requires_grad_()
    rois = ROIS.to(dtype)
    mask, weight, bias = random(1, 3, 4), random(2, 4, 3, 3).to(dtype), random(2).to(dtype)

    def outputs(dtype):
        x, m, o, r, w, b = (t.to(dtype) for t in (features, masks, offset, rois, weight, bias))
        return (
            mmcv.ops.carafe(x, m, 3, 2, 2),
            mmcv.ops.deform_roi_pool(x, r, o, 2, 0.25),
            mmcv.ops.masked_conv2d(x[:1].detach(), mask, w, b, 1),
        )

    found = outputs(dtype)
    for a, b in zip(found, outputs(torch.float64)):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=0.02, atol=0.05)
    sum(t.float().sum() for t in found).backward()
    for t in (features, masks, offset):
        assert t.grad.dtype == dtype
        assert t.grad.isfinite().all()
        assert t.grad.any()
