"""The pools that take a maximum or an integral, against loops written out and gradcheck."""

import math

import mmcv.ops
import pytest
import torch
import torchvision
from torch.autograd import gradcheck

from mmresneskt.runtime.ops import prroi_pool
from mmresneskt.runtime.ops.extension import OPERATORS
from tests.support.helpers import REDUCED
from tests.support.operators import DEVICES, ROIS, bilinear, random, served

pytestmark = served


def align_loop(features, rois, size, scale, ratio, aligned):
    """The largest sample of every bin."""
    output = features.new_zeros(len(rois), features.size(1), *size)
    for m, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (c * scale - 0.5 * aligned for c in corners)
        w, h = right - left, bottom - top
        if not aligned:
            w, h = max(w, 1), max(h, 1)
        rows = ratio or math.ceil(h / size[0])
        columns = ratio or math.ceil(w / size[1])
        for i in range(size[0]):
            for j in range(size[1]):
                samples = [
                    bilinear(
                        features[int(image)],
                        top + (i + (row + 0.5) / rows) * h / size[0],
                        left + (j + (column + 0.5) / columns) * w / size[1],
                    )
                    for row in range(rows)
                    for column in range(columns)
                ]
                if samples:
                    output[m, :, i, j] = torch.stack(samples).amax(0)
    return output


def pool_loop(features, rois, size, scale):
    """The largest pixel of every bin, whose edges are rounded outwards."""
    height, width = features.shape[2:]
    output = features.new_zeros(len(rois), features.size(1), *size)
    for m, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        left, top = x1 * scale, y1 * scale
        w, h = (x2 + 1) * scale - left, (y2 + 1) * scale - top
        for i in range(size[0]):
            for j in range(size[1]):
                rows = [math.floor(top + i * h / size[0]), math.ceil(top + (i + 1) * h / size[0])]
                edges = [left + j * w / size[1], left + (j + 1) * w / size[1]]
                columns = [math.floor(edges[0]), math.ceil(edges[1])]
                rows, columns = (
                    [min(max(e, 0), n) for e in pair]
                    for pair, n in ((rows, height), (columns, width))
                )
                part = features[int(image)][:, slice(*rows), slice(*columns)]
                if part.numel() and w > 0 and h > 0:
                    output[m, :, i, j] = part.amax((1, 2))
    return output


def border_loop(features, boxes, pool_size):
    """The largest sample of the four borders of every box."""
    channels = features.size(1) // 4
    output = features.new_zeros(len(features), channels, boxes.size(1), 4)
    for n, image in enumerate(boxes.tolist()):
        for m, (x1, y1, x2, y2) in enumerate(image):
            ends = [((x1, y1), (x2, y1)), ((x1, y1), (x1, y2))]
            ends += [((x2, y2), (x1, y2)), ((x2, y2), (x2, y1))]
            for border, ((x, y), (u, v)) in enumerate(ends):
                maps = features[n, border * channels : (border + 1) * channels]
                steps = [i / pool_size for i in range(pool_size + 1)]
                samples = [bilinear(maps, y + (v - y) * t, x + (u - x) * t) for t in steps]
                output[n, :, m, border] = torch.stack(samples).amax(0)
    return output


def precise_mean(features, rois, size, scale):
    """The mean of a bin by many samples of the interpolated map, with zeros around it."""
    padded = torch.nn.functional.pad(features, [40] * 4)
    moved = torch.cat((rois[:, :1], rois[:, 1:] * scale + 40.5), 1)
    mean = torchvision.ops.roi_align(padded, moved, size, 1.0, 200, aligned=True)
    return mean * (rois[:, 3:] > rois[:, 1:3]).all(1)[:, None, None, None]


POOLS = [((3, 2), 0.5), ((2, 3), 0.25), ((1, 1), 1.0), ((7, 7), 0.4)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", POOLS)
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_of_the_maximum(device, settings, aligned, ratio):
    features = random(2, 3, 12, 14)
    rois = ROIS if not aligned else ROIS[:5]  # mmcv refuses a reversed one
    settings = (*settings, ratio, aligned)
    expected = align_loop(features, rois, *settings)
    size, scale, ratio, aligned = settings
    found = mmcv.ops.roi_align(
        features.to(device), rois.to(device), size, scale, ratio, "max", aligned
    )
    torch.testing.assert_close(found.cpu(), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", POOLS)
def test_roi_pool(device, settings):
    features = random(2, 3, 12, 14)
    found = mmcv.ops.roi_pool(features.to(device), ROIS.to(device), *settings)
    torch.testing.assert_close(found.cpu(), pool_loop(features, ROIS, *settings))


def test_roi_pool_is_torchvisions_on_whole_pixels_alone():
    features = random(2, 3, 12, 14)
    rois = ROIS[:3].round()
    expected = torchvision.ops.roi_pool(features, rois, (2, 2), 1.0)
    torch.testing.assert_close(mmcv.ops.roi_pool(features, rois, (2, 2), 1.0), expected)
    others = (f(features, rois, (2, 2), 0.4) for f in (mmcv.ops.roi_pool, torchvision.ops.roi_pool))
    assert not torch.equal(*others)


BOXES = ROIS[:, 1:].view(2, 3, 4) / 2


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("pool_size", [1, 2, 10])
def test_border_align(device, pool_size):
    features = random(2, 8, 12, 14)
    found = mmcv.ops.border_align(features.to(device), BOXES.to(device), pool_size)
    torch.testing.assert_close(found.cpu(), border_loop(features, BOXES, pool_size))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("settings", POOLS[:2])
@pytest.mark.parametrize("values", [1, prroi_pool.VALUES])
def test_prroi_pool(device, settings, values, monkeypatch):
    monkeypatch.setattr(prroi_pool, "VALUES", values)
    features = random(2, 2, 6, 7)
    found = mmcv.ops.prroi_pool(features.float().to(device), ROIS.float().to(device), *settings)
    expected = precise_mean(features, ROIS, *settings)
    torch.testing.assert_close(found.cpu().double(), expected, rtol=1e-3, atol=1e-4)


class Precise(torch.autograd.Function):
    """mmcv's own function refuses float64, in which the gradients are checked."""

    @staticmethod
    def forward(ctx, features, rois, size, scale):
        output = features.new_zeros(len(rois), features.size(1), *size)
        ctx.settings = (*size, scale)
        OPERATORS["prroi_pool_forward"](features, rois, output, *ctx.settings)
        ctx.save_for_backward(features, rois, output)
        return output

    @staticmethod
    def backward(ctx, grad):
        features, rois, output = ctx.saved_tensors
        grads = torch.zeros_like(features), torch.zeros_like(rois)
        OPERATORS["prroi_pool_backward"](grad, rois, grads[0], *ctx.settings)
        OPERATORS["prroi_pool_coor_backward"](output, grad, features, rois, grads[1], *ctx.settings)
        return *grads, None, None


FUNCTIONS = {
    "roi_align": lambda x: mmcv.ops.roi_align(x, ROIS[:5].to(x), (3, 2), 0.5, 2, "max", True),
    "roi_align, legacy": lambda x: mmcv.ops.roi_align(x, ROIS.to(x), (3, 2), 0.5, 0, "max", False),
    "roi_pool": lambda x: mmcv.ops.roi_pool(x, ROIS.to(x), (3, 2), 0.5),
    "border_align": lambda x: mmcv.ops.border_align(x, BOXES.to(x), 5),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(device, name):
    features = random(2, 4, 8, 9, device=device).requires_grad_()
    tolerance = 1e-12 if device == "cuda" else 0
    assert gradcheck(FUNCTIONS[name], features, nondet_tol=tolerance, fast_mode=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("values", [1, prroi_pool.VALUES])
def test_gradients_of_prroi_pool(device, values, monkeypatch):
    monkeypatch.setattr(prroi_pool, "VALUES", values)
    features = random(2, 2, 6, 7, device=device).requires_grad_()
    rois = ROIS[[0, 1, 2, 3, 5]].to(device)  # at a size of 0 the two sides differ
    corners = rois[:, 1:].clone().requires_grad_()

    def pool(features, corners):
        return Precise.apply(features, torch.cat((rois[:, :1], corners), 1), (3, 2), 0.25)

    tolerance = 1e-12 if device == "cuda" else 0
    assert gradcheck(pool, (features, corners), nondet_tol=tolerance)


def outputs(x, rois, boxes):
    return {
        "roi_align": mmcv.ops.roi_align(x, rois, (3, 2), 0.5, 2, "max", False),
        "roi_pool": mmcv.ops.roi_pool(x, rois, (3, 2), 0.5),
        "border_align": mmcv.ops.border_align(x, boxes, 5),
    }


@pytest.mark.parametrize("dtype", [*REDUCED, torch.float32])
def test_precisions(dtype):
    x = random(2, 8, 12, 14).to(dtype)
    rois, boxes = ROIS.to(dtype), BOXES.to(dtype)
    leaves = [x.to(t).requires_grad_() for t in (dtype, torch.float64)]
    found, wanted = (outputs(leaf, rois.to(leaf), boxes.to(leaf)) for leaf in leaves)
    for name, value in found.items():
        assert value.dtype == dtype
        torch.testing.assert_close(value.double(), wanted[name], rtol=0.02, atol=0.02)
    sum(t.double().sum() for t in found.values()).backward()
    assert leaves[0].grad.dtype == dtype
    assert leaves[0].grad.isfinite().all()
    assert leaves[0].grad.any()


def test_autocast_changes_nothing():
    x, rois, boxes = (t.float() for t in (random(2, 8, 12, 14), ROIS, BOXES))
    plain = outputs(x, rois, boxes) | {"prroi_pool": mmcv.ops.prroi_pool(x, rois, (3, 2), 0.5)}
    with torch.autocast("cpu", torch.bfloat16):
        cast = outputs(x, rois, boxes) | {"prroi_pool": mmcv.ops.prroi_pool(x, rois, (3, 2), 0.5)}
    for name, value in plain.items():
        assert torch.equal(cast[name], value), name


def test_other_layouts_and_nothing():
    x = random(2, 8, 12, 14)
    leaves = [x.clone().requires_grad_() for _ in range(2)]
    plain = outputs(leaves[0], ROIS, BOXES)
    other = leaves[1].to(memory_format=torch.channels_last)
    strided = outputs(other, ROIS.t().contiguous().t(), BOXES.mT.contiguous().mT)
    for name, value in plain.items():
        torch.testing.assert_close(value, strided[name])
        (value**2).sum().backward()
        (strided[name] ** 2).sum().backward()
    torch.testing.assert_close(leaves[0].grad, leaves[1].grad)
    for n, rois, boxes in ((2, ROIS[:0], BOXES[:, :0]), (0, ROIS[:0], BOXES[:0, :0])):
        empty = x[:n].clone().requires_grad_()
        found = outputs(empty, rois, boxes)
        assert found["roi_align"].shape == found["roi_pool"].shape == (0, 8, 3, 2)
        assert found["border_align"].shape == (n, 2, 0, 4)
        sum(t.sum() for t in found.values()).backward()
        assert not empty.grad.any()
    some = x[:2].float().requires_grad_()
    none = mmcv.ops.prroi_pool(some, ROIS[:0].float(), (3, 2), 0.5)
    assert none.shape == (0, 8, 3, 2)
    none.sum().backward()
