"""Operators on rotated boxes, against loops written out, known areas and gradcheck."""

import math

import mmcv.ops
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops.diff_iou_rotated import SortVertices
from torch.autograd import gradcheck

from mmresneskt.runtime.ops import rotated_boxes
from mmresneskt.runtime.ops.extension import OPERATORS
from tests.support.operators import DEVICES, polygon, random, served, turned_boxes

pytestmark = served

SQUARE = [0, 0, 2, 2, 0]


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


def ious(first, second, mode="iou"):
    return torch.tensor(
        [[iou(a, b, mode) for b in second.tolist()] for a in first.tolist()], dtype=torch.float64
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_overlaps_are_those_of_the_polygons(mode, device, monkeypatch):
    monkeypatch.setattr(rotated_boxes, "_PAIRS", 50)  # some rows at a time
    first, second = turned_boxes(20), turned_boxes(15, seed=1)
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
    some = turned_boxes(3)
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
    found, scores = turned_boxes(60), random(60, seed=3)
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
    first, second = (turned_boxes(12, seed=seed, side=3.0) for seed in (4, 5))
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
