"""Operators on rotated boxes, against loops written out, known areas and gradcheck."""

import math

import mmcv.ops
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops.diff_iou_rotated import SortVertices
from torch.autograd import gradcheck

from mmresneskt.runtime.ops import rotated_boxes
from mmresneskt.runtime.ops.extension import OPERATORS
from tests.support.helpers import REDUCED
from tests.support.operators import DEVICES, bilinear, random, served

pytestmark = served

SQUARE = [0, 0, 2, 2, 0]
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


def polygon(box):
    """The corners, from the x axis towards the y axis."""
    x, y, w, h, angle = box
    w, h = abs(w), abs(h)
    cos, sin = math.cos(angle), math.sin(angle)
    signs = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    return [(x + w * u * cos - h * v * sin, y + w * u * sin + h * v * cos) for u, v in signs]


def area(corners):
    ends = corners[1:] + corners[:1]
    return sum(x * v - u * y for (x, y), (u, v) in zip(corners, ends)) / 2


def common(first, second):
    """Sutherland and Hodgman: cut the one polygon off at each edge of the other."""
    left = polygon(first)
    edges = polygon(second)
    for (x, y), (u, v) in zip(edges, edges[1:] + edges[:1]):

        def side(p, x=x, y=y, u=u, v=v):
            return (u - x) * (p[1] - y) - (v - y) * (p[0] - x)

        points, left = left, []
        for p, q in zip(points, points[1:] + points[:1]):
            if side(p) >= 0:
                left.append(p)
            if (side(p) >= 0) != (side(q) >= 0):
                t = side(p) / (side(p) - side(q))
                left.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return area(left) if left else 0.0


def iou(first, second, mode="iou"):
    shared, sizes = common(first, second), [first[2] * first[3], second[2] * second[3]]
    return shared / (sizes[0] if mode == "iof" else sum(sizes) - shared)


def boxes(n, seed=0, side=10.0):
    values = torch.rand(n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    low = values.new_tensor([0, 0, 0.5, 0.5, -4])
    return low + values * values.new_tensor([side, side, 8, 4, 8])


def ious(first, second, mode="iou"):
    return torch.tensor(
        [[iou(a, b, mode) for b in second.tolist()] for a in first.tolist()], dtype=torch.float64
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_overlaps_are_those_of_the_polygons(mode, device, monkeypatch):
    monkeypatch.setattr(rotated_boxes, "_PAIRS", 50)  # some rows at a time
    first, second = boxes(20), boxes(15, seed=1)
    wanted = ious(first, second, mode)
    found = mmcv.ops.box_iou_rotated(first.to(device), second.to(device), mode)
    assert (found.cpu() - wanted).abs().max() < 1e-12
    aligned = mmcv.ops.box_iou_rotated(first[:15].to(device), second.to(device), mode, True)
    assert (aligned.cpu() - wanted[:15].diagonal()).abs().max() < 1e-12
    turned = (torch.cat((b[:, :4], -b[:, 4:]), 1).to(device) for b in (first, second))
    found = mmcv.ops.box_iou_rotated(*turned, mode, clockwise=False)
    assert (found.cpu() - wanted).abs().max() < 1e-12


NUMBER = st.one_of(st.integers(-4, 4), st.floats(-5, 5))
SIZE = st.one_of(st.integers(1, 6), st.floats(0.01, 40))
ANGLE = st.one_of(st.integers(-8, 8).map(lambda n: n * math.pi / 4), st.floats(-7, 7))
BOX = st.tuples(NUMBER, NUMBER, SIZE, SIZE, ANGLE)


@settings(max_examples=30, deadline=None)
@given(st.lists(BOX, min_size=2, max_size=6))
def test_any_boxes_overlap_as_their_polygons_do(found):
    """Also those that share edges or corners, or lie in each other."""
    found = torch.tensor(found, dtype=torch.float64)
    wanted = ious(found, found)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        overlaps = mmcv.ops.box_iou_rotated(found.to(dtype), found.to(dtype))
        assert (overlaps - wanted).abs().max() < tolerance
        assert overlaps.min() >= 0
        assert overlaps.max() <= 1


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (SQUARE, 1),
        ([0, 0, 2, 2, math.pi / 2], 1),
        ([0, 0, 2, 2, math.pi / 4], math.sqrt(0.5)),  # an octagon
        ([0, 0, 1, 1, 0.3], 0.25),
        ([2, 0, 2, 2, 0], 0),  # an edge in common
        ([0, 9, 2, 2, 1], 0),
        ([0, 0, 0, 5, 1], 0),
        ([0, 0, -2, 2, 0], 0),
        ([0, 0, -2, -2, 0.1], iou(SQUARE, [0, 0, 2, 2, 0.1])),  # mmcv turns it by half a circle
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_known_overlaps(other, wanted, dtype):
    first, second = torch.tensor([SQUARE], dtype=dtype), torch.tensor([other], dtype=dtype)
    for pair in ((first, second), (second, first)):
        assert mmcv.ops.box_iou_rotated(*pair).item() == pytest.approx(wanted, abs=1e-6)


def test_few_or_odd_boxes():
    some = boxes(3)
    assert mmcv.ops.box_iou_rotated(some, some[:0]).shape == (3, 0)
    assert mmcv.ops.box_iou_rotated(some[:0], some).shape == (0, 3)
    assert mmcv.ops.box_iou_rotated(some[:0], some[:0], aligned=True).shape == (0,)
    half = some.half()
    found = mmcv.ops.box_iou_rotated(half, half)
    assert found.dtype is torch.float16
    assert (found - ious(half.double(), half.double())).abs().max() < 1e-3
    far = some + some.new_tensor([1e4, 1e4, 0, 0, 0])
    found = mmcv.ops.box_iou_rotated(far.float(), far.float())
    assert (found - ious(some, some)).abs().max() < 2e-3  # positions are that much apart


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("labels", [None, [0, 1, 2] * 20])
def test_suppression_is_the_greedy_one(labels, device, monkeypatch):
    monkeypatch.setattr(rotated_boxes, "_BLOCK", 7)
    found, scores = boxes(60), random(60, seed=3)
    overlap, wanted = ious(found, found), []
    for i in scores.argsort(descending=True).tolist():
        if not wanted or overlap[i, wanted].max() <= 0.3:
            wanted.append(i)
    assert 10 < len(wanted) < 50
    labels = labels and torch.tensor(labels, device=device)
    given = (found.to(device), scores.to(device), 0.3, labels)
    dets, kept = mmcv.ops.nms_rotated(*given)
    assert kept.tolist() == wanted
    assert torch.equal(dets.cpu(), torch.cat((found, scores[:, None]), 1)[wanted])
    turned = given[0] * given[0].new_tensor([1, 1, 1, 1, -1])
    assert mmcv.ops.nms_rotated(turned, *given[1:], clockwise=False)[1].tolist() == wanted


def test_suppression_of_no_boxes():
    nothing = torch.zeros(0, 5)
    order = torch.zeros(0, dtype=torch.long)
    arguments = (nothing, nothing[:, 0], order, nothing, order, 0.5, False)
    assert OPERATORS["nms_rotated"](*arguments).tolist() == []


@pytest.mark.parametrize("device", DEVICES)
def test_differentiable_overlaps_and_their_gradients(device):
    first, second = (boxes(12, seed=seed, side=3.0) for seed in (4, 5))
    wanted = ious(first, second).diagonal()
    assert (wanted > 0).sum() > 8
    pair = [b[None].to(device).requires_grad_() for b in (first, second)]
    found = mmcv.ops.diff_iou_rotated_2d(*pair)
    assert (found[0].cpu() - wanted).abs().max() < 1e-6  # mmcv adds 1e-8 to a divisor
    assert gradcheck(mmcv.ops.diff_iou_rotated_2d, pair, atol=1e-4)


def test_differentiable_overlaps_where_corners_coincide():
    """mmcv's kernel passes over a vertex that lies right on the x axis, as a diamond's do."""
    pairs = [
        (SQUARE, SQUARE, 1),
        (SQUARE, [0, 0, 2, 2, math.pi / 2], 1),
        (SQUARE, [0, 0, 2, 2, math.pi / 4], math.sqrt(0.5)),
        ([0, 0, 4, 4, 0], [0, 0, 1, 1, math.pi / 4], 1 / 16),
        (SQUARE, [1, 0, 2, 2, 0], 1 / 3),
        (SQUARE, [9, 0, 2, 2, 0], 0),
    ]
    first, second = (torch.tensor([[pair[i] for pair in pairs]]).float() for i in (0, 1))
    found = mmcv.ops.diff_iou_rotated_2d(first, second)
    assert found[0].tolist() == pytest.approx([wanted for *_, wanted in pairs], abs=1e-5)


def sort(points, valid):
    """The indices for vertices at the given places, all others no vertices."""
    vertices, mask = torch.zeros(1, 1, 24, 2), torch.zeros(1, 1, 24, dtype=torch.bool)
    for place, point in zip(valid, points):
        vertices[0, 0, place], mask[0, 0, place] = torch.tensor(point), True
    return SortVertices.apply(vertices, mask, mask.sum(-1).int())[0, 0].tolist()


def test_vertices_are_sorted_around_the_middle_and_padded():
    diamond = [(0.0, -1.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)]
    assert sort(diamond, [0, 3, 8, 20]) == [3, 20, 8, 0, 3, 9, 9, 9, 9]
    assert sort(diamond[:2], [0, 3]) == [8] * 9
    assert sort([], []) == [8] * 9
    # the corners of two equal boxes: those of the first
    square = [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]
    assert sort(square * 2, range(8)) == [*sorted([0, 1, 2, 3]), 0, 8, 8, 8, 8]
    circle = [(math.cos(i), math.sin(i)) for i in range(6)]
    # one corner more than there can be, next to another
    many = [*circle, (math.cos(1.5), math.sin(1.5)), (math.cos(4.5), math.sin(4.5))]
    near = (math.cos(3.0001), math.sin(3.0001))
    assert sort([*many, near], range(9)) == [0, 1, 6, 2, 3, 4, 7, 5, 0]
    nothing = torch.zeros(2, 0, 24, 2)
    assert SortVertices.apply(nothing, nothing[..., 0] > 0, nothing[..., 0, 0]).shape == (2, 0, 9)


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
    features, found = random(2, 3, 4, 5), boxes(40, seed=6, side=60.0).view(2, 4, 5, 5)
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
