"""Operators that sample as rotated boxes lie, against loops written out and gradcheck."""

import math

import mmcv.ops
import pytest
import torch
import torchvision
from torch.autograd import gradcheck

from tests.support.helpers import REDUCED
from tests.support.operators import DEVICES, bilinear, polygon, random, served, turned_boxes

pytestmark = served

# an image's index and a box: inside, over the edge, outside, without a size, of many samples
ROIS = torch.tensor(
    [
        [0, 12.3, 9.1, 11.7, 6.2, 0.4],
        [1, -1.2, 5.6, 9.5, 11.3, -2.8],
        [1, 60.1, 15.4, 3.3, 3.9, 1.0],
        [0, 8.0, 8.0, 0.0, 0.0, 0.3],
        [1, 10.0, 9.0, 25.0, 4.0, 7.1],
    ],
    dtype=torch.float64,
)


def rotated_align_loop(features, rois, size, scale, ratio, aligned, clockwise):
    """The mean of every bin's samples."""
    output = features.new_zeros(len(rois), features.size(1), *size)
    for m, (image, x, y, w, h, angle) in enumerate(rois.tolist()):
        x, y, w, h = (v * scale for v in (x, y, w, h))
        if aligned:
            x, y = x - 0.5, y - 0.5
        else:
            w, h = max(w, 1), max(h, 1)
        rows, columns = (ratio or math.ceil(side / n) for side, n in ((h, size[0]), (w, size[1])))
        angle = angle if clockwise else -angle
        cos, sin = math.cos(angle), math.sin(angle)
        for i in range(size[0]):
            for j in range(size[1]):
                for row in range(rows):
                    for column in range(columns):
                        v = (i + (row + 0.5) / rows) * h / size[0] - h / 2
                        u = (j + (column + 0.5) / columns) * w / size[1] - w / 2
                        place = (y + sin * u + cos * v, x + cos * u - sin * v)
                        value = bilinear(features[int(image)], *place)
                        output[m, :, i, j] += value / (rows * columns)
    return output


HOW = [(0.5, 2, True, True), (0.5, 0, True, False), (0.7, 0, False, True), (1.0, 3, False, False)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("how", HOW)
def test_rotated_roi_align_is_the_mean_of_its_samples(how, device):
    features = random(2, 3, 9, 12)
    wanted = rotated_align_loop(features, ROIS, (2, 3), *how)
    features = features.to(device).transpose(2, 3).contiguous().transpose(2, 3)
    found = mmcv.ops.roi_align_rotated(features, ROIS.to(device), (2, 3), *how)
    assert (found.cpu() - wanted).abs().max() < 1e-12
    few = features[:, :2, :6, :7].clone().requires_grad_()
    function = mmcv.ops.roi_align_rotated
    assert gradcheck(lambda x: function(x, ROIS.to(device), (2, 3), *how), [few], fast_mode=True)


def test_rotated_roi_align_of_boxes_that_are_not_rotated():
    features, rois = random(2, 3, 9, 12), ROIS.clone()
    rois[:, 5] = 0
    corners = torch.cat((rois[:, :1], rois[:, 1:3] - rois[:, 3:5] / 2), 1)
    corners = torch.cat((corners, rois[:, 1:3] + rois[:, 3:5] / 2), 1)
    wanted = torchvision.ops.roi_align(features, corners, (2, 3), 0.5, 2, aligned=True)
    found = mmcv.ops.roi_align_rotated(features, rois, (2, 3), 0.5, 2, True)
    assert (found - wanted).abs().max() < 1e-12
    assert mmcv.ops.roi_align_rotated(features, rois[:0], (2, 3), 0.5, 0, True).shape == (
        0,
        3,
        2,
        3,
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", REDUCED)
def test_rotated_samples_in_half_precision(dtype, device):
    features = random(2, 8, 9, 12).to(device, dtype).requires_grad_()
    rois = ROIS.to(device, dtype)
    for function, *how in (
        (mmcv.ops.roi_align_rotated, (2, 3), *HOW[0]),
        (mmcv.ops.riroi_align_rotated, (2, 3), 0.5, 2, 4),
    ):
        found = function(features, rois, *how)
        found.sum().backward()
        assert found.dtype is features.grad.dtype is dtype
        wanted = function(features.detach().double(), rois.double(), *how)
        assert (found - wanted).abs().max() < 0.03


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("orientations", "clockwise"), [(4, True), (8, False)])
def test_orientations_turn_with_the_box(orientations, clockwise, device):
    features = random(2, 2 * orientations, 9, 12)
    pooled = rotated_align_loop(features, ROIS, (2, 3), 0.5, 2, False, clockwise)
    pooled = pooled.unflatten(1, (2, orientations))
    wanted = torch.zeros_like(pooled)
    for m, angle in enumerate(ROIS[:, 5].tolist()):
        by = angle * orientations / (2 * math.pi)
        part = by - math.floor(by)
        for o in range(orientations):
            at = (o - math.floor(by)) % orientations
            wanted[m, :, o] += (1 - part) * pooled[m, :, at]
            wanted[m, :, o] += part * pooled[m, :, (at + 1) % orientations]
    function, rois = mmcv.ops.riroi_align_rotated, ROIS.to(device)
    how = (0.5, 2, orientations, clockwise)
    found = function(features.to(device), rois, (2, 3), *how)
    assert (found.cpu() - wanted.flatten(1, 2)).abs().max() < 1e-12
    few = features[:, :, :4, :5].to(device).requires_grad_()
    assert gradcheck(lambda x: function(x, rois, (2, 3), *how), [few], fast_mode=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("points", [1, 5])
def test_features_are_aligned_with_the_boxes(points, device):
    features, found = random(2, 3, 4, 5), turned_boxes(40, seed=6, side=60.0).view(2, 4, 5, 5)
    found[..., 2:4] *= 8
    wanted = features.clone()
    for n in range(2):
        for i in range(4):
            for j in range(5):
                y, x, w, h, angle = found[n, i, j].tolist()  # in mmcv's order
                places = [(x, y), *polygon((x, y, w, h, angle))]
                for u, v in places[:points]:
                    wanted[n, :, i, j] += bilinear(features[n], v / 8, u / 8)
    given = (features.to(device).requires_grad_(), found.to(device))
    aligned = mmcv.ops.rotated_feature_align(*given, 1 / 8, points)
    assert (aligned.cpu() - wanted).abs().max() < 1e-12
    flat = mmcv.ops.rotated_feature_align(given[0], given[1].flatten(0, 2), 1 / 8, points)
    assert torch.equal(flat, aligned)  # as MMRotate gives them
    function = mmcv.ops.rotated_feature_align
    assert gradcheck(lambda x: function(x, given[1], 1 / 8, points), [given[0]], fast_mode=True)


@pytest.mark.parametrize("device", DEVICES)
def test_a_filter_turns_by_its_indices(device):
    orientations, rotations = 2, 8
    weights = random(3, 2, orientations, 3, 3)
    generator = torch.Generator().manual_seed(0)
    places = [torch.randperm(orientations * 9, generator=generator) for _ in range(rotations)]
    indices = torch.stack(places, -1).view(orientations, 3, 3, rotations).int() + 1
    wanted = torch.zeros(3, rotations, 2, orientations * 9, dtype=torch.float64)
    for k, place in enumerate(places):
        for source, target in enumerate(place.tolist()):
            wanted[:, k, :, target] = weights.flatten(2)[:, :, source]
    given = (weights.to(device).requires_grad_(), indices.to(device))
    found = mmcv.ops.active_rotated_filter(*given)
    assert torch.equal(found.cpu(), wanted.view(3 * rotations, 2 * orientations, 3, 3))
    assert gradcheck(
        lambda x: mmcv.ops.active_rotated_filter(x, given[1]), [given[0]], fast_mode=True
    )
