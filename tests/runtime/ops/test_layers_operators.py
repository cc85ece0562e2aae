"""Operators of losses, assigners and layers, against plain formulas, loops and gradcheck."""

import math

import mmcv.ops
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmcv.ops.sync_bn import SyncBatchNorm
from torch.autograd import gradcheck, gradgradcheck

from tests.support.helpers import REDUCED
from tests.support.operators import DEVICES, random, served

pytestmark = served


def boxes(n, seed=0):
    corner = random(n, 2, seed=seed) * 20
    return torch.cat((corner, corner + random(n, 2, seed=seed + 1).abs() * 20 + 1), 1)


def iou(a, b, offset=0, over_first=False):
    size = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + offset for i in (0, 1)]
    inter = max(size[0], 0) * max(size[1], 0)
    first, second = (math.prod(x[i + 2] - x[i] + offset for i in (0, 1)) for x in (a, b))
    return inter / (first if over_first else first + second - inter)


# ---- boxes ----


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [0, 1, 50])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5])
def test_nms_match(device, n, threshold):
    found, scores = boxes(n), random(n, 1, seed=5)
    dets = torch.cat((found, scores), 1).to(device)
    left, expected = scores[:, 0].argsort(descending=True).tolist(), []
    while left:
        best, *others = left
        removed = [i for i in others if iou(found[best], found[i]) >= threshold]
        expected.append([best, *removed])
        left = [i for i in others if i not in removed]
    groups = mmcv.ops.nms_match(dets, threshold)
    assert [g.tolist() for g in groups] == expected
    assert all(g.device == dets.device and g.dtype == torch.long for g in groups)
    assert [g.tolist() for g in mmcv.ops.nms_match(dets.cpu().numpy(), threshold)] == expected


def test_nms_match_removes_at_the_threshold_and_keeps_boxes_without_a_size():
    dets = [[0, 0, 2, 1, 0.9], [0, 0, 1, 1, 0.8], [5, 5, 5, 5, 0.7], [5, 5, 5, 5, 0.6]]
    groups = mmcv.ops.nms_match(torch.tensor(dets), 0.5)
    assert [g.tolist() for g in groups] == [[0, 1], [2], [3]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [*REDUCED, torch.float32, torch.float64])
@pytest.mark.parametrize("mode", ["iou", "iof"])
@pytest.mark.parametrize("offset", [0, 1])
def test_bbox_overlaps(device, dtype, mode, offset):
    first, second = boxes(7).to(dtype), boxes(5, seed=3).to(dtype)
    expected = torch.tensor(
        [[iou(a, b, offset, mode == "iof") for b in second.tolist()] for a in first.tolist()],
        dtype=torch.float64,
    )
    first, second = first.to(device), second.to(device)
    found = mmcv.ops.bbox_overlaps(first, second, mode, False, offset)
    assert found.dtype == dtype
    how = dict(rtol=0.01, atol=0.01) if dtype in REDUCED else dict(rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.cpu().double(), expected, **how)
    pairs = mmcv.ops.bbox_overlaps(first[:5], second, mode, True, offset)
    torch.testing.assert_close(pairs.cpu().double(), expected[:5].diagonal(), **how)
    assert mmcv.ops.bbox_overlaps(first[:0], second).shape == (0, 5)


# ---- the softmax's focal loss ----


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_softmax_focal_loss(device, weighted, reduction, gamma):
    logits = (random(9, 4, device=device) * 2).requires_grad_()
    target = torch.tensor([0, 1, 2, 3, 3, -1, 0, 2, -5], device=device)
    factors = random(4, device=device, seed=1).abs() if weighted else None
    found = mmcv.ops.softmax_focal_loss(logits, target, gamma, 0.25, factors, reduction)
    entropy = F.cross_entropy(logits.detach(), target.clamp(min=0), reduction="none")
    expected = 0.25 * (1 - (-entropy).exp()) ** gamma * entropy * (target >= 0)
    if weighted:
        expected = expected * factors[target.clamp(min=0)]
    expected = {"none": expected, "mean": expected.mean(), "sum": expected.sum()}[reduction]
    torch.testing.assert_close(found, expected)
    if reduction != "none":  # mmcv multiplies the gradients of (N, C) by those of (N,) there
        function = mmcv.ops.softmax_focal_loss
        assert gradcheck(lambda x: function(x, target, gamma, 0.25, factors, reduction), logits)


@pytest.mark.parametrize("dtype", REDUCED)
def test_softmax_focal_loss_in_reduced_precision(dtype):
    exact = random(9, 4).to(dtype).double().requires_grad_()
    reduced = exact.detach().to(dtype).requires_grad_()
    target = torch.tensor([0, 1, 2, 3, 3, -1, 0, 2, -5])
    losses = [mmcv.ops.softmax_focal_loss(x, target) for x in (reduced, exact)]
    assert losses[0].dtype == dtype
    torch.testing.assert_close(losses[0].double(), losses[1], rtol=0.02, atol=0.02)
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(reduced.grad.double(), exact.grad, rtol=0.05, atol=0.02)
    mmcv.ops.softmax_focal_loss(reduced[:0], target[:0], 2.0, 0.25, None, "sum").backward()


# ---- PSANet's masks ----


def psa_loop(mask, kind, size):
    """Every entry of the matrix over all positions, by the definition."""
    n, _, height, width = mask.shape
    output = mask.new_zeros(n, height, width, height, width)
    for y, x, v, u in torch.cartesian_prod(*map(torch.arange, (height, width) * 2)).tolist():
        row, column = v - y + (size[0] - 1) // 2, u - x + (size[1] - 1) // 2
        if 0 <= row < size[0] and 0 <= column < size[1]:
            value = mask[:, row * size[1] + column, y, x]
            if kind == "collect":
                output[:, v, u, y, x] = value
            else:
                output[:, y, x, v, u] = value
    return output.view(n, height * width, height, width)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["collect", "distribute"])
@pytest.mark.parametrize("size", [(5, 7), (3, 2), (9, 9)])
def test_psa_mask(device, kind, size):
    mask = random(2, size[0] * size[1], 3, 4, device=device)
    layer = mmcv.ops.PSAMask(kind, size)
    torch.testing.assert_close(layer(mask).cpu(), psa_loop(mask.cpu(), kind, size))
    last = mask.to(memory_format=torch.channels_last)
    assert torch.equal(layer(last), layer(mask))
    assert layer(mask[:0]).shape == (0, 12, 3, 4)
    for dtype in (*REDUCED, torch.float32):
        assert torch.equal(layer(mask.to(dtype)), layer(mask).to(dtype))
    leaf = mask[:1, :, :2, :2].clone().requires_grad_()
    assert gradcheck(layer, leaf)
    assert gradgradcheck(layer, leaf)


# ---- synchronized batch normalization ----


@pytest.fixture
def process_group(tmp_path):
    """One process; a sum over two that hold the same is twice what it holds."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/init", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["default", "N"])
@pytest.mark.parametrize("processes", [1, 2])
def test_sync_bn_is_batch_norm_over_all_processes(
    device, mode, processes, process_group, monkeypatch
):
    monkeypatch.setattr(dist, "all_reduce", lambda x, group=None: x.mul_(processes))
    ours = SyncBatchNorm(3, stats_mode=mode).to(device)
    ours.group_size = processes
    theirs = torch.nn.BatchNorm2d(3).to(device)
    theirs.load_state_dict(ours.state_dict())
    x = random(4, 3, 5, 2, device=device).float()
    inputs = [x.clone().requires_grad_(), torch.cat([x] * processes).requires_grad_()]
    for _ in range(2):  # the second time the running statistics are no longer the first
        found, expected = ours(inputs[0]), theirs(inputs[1])
    torch.testing.assert_close(found, expected[:4])
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
    gradient = torch.randn_like(found)
    found.backward(gradient)
    expected.backward(torch.cat([gradient] * processes))
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad[:4])
    for a, b in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(a.grad, b.grad / processes)  # mmcv's is the mean
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_sync_bn_of_nothing_and_in_float16(process_group):
    layer = SyncBatchNorm(3, stats_mode="N")
    empty = torch.zeros(0, 3, 5, 2, requires_grad=True)
    found = layer(empty)
    assert found.shape == empty.shape
    found.sum().backward()
    assert not layer.running_mean.any()
    assert not layer.weight.grad.any()
    x = random(4, 3, 5, 2)
    reduced, exact = x.half().requires_grad_(), x.half().float().requires_grad_()
    found, expected = layer(reduced), layer(exact)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), expected, rtol=1e-3, atol=2e-3)
    (found.float() ** 3).sum().backward()
    (expected**3).sum().backward()
    torch.testing.assert_close(reduced.grad.float(), exact.grad, rtol=1e-2, atol=2e-2)


def test_sync_bn_without_parameters_or_running_statistics(process_group):
    x = random(4, 3, 5, 2).float()
    layer = SyncBatchNorm(3, affine=False, track_running_stats=False)
    torch.testing.assert_close(layer(x), F.batch_norm(x, None, None, training=True))


# ---- what torchvision's deformable convolution does otherwise ----


def convolve(x, offset, mask, weight, stride=1):
    return mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, None, stride, 1)


@pytest.mark.parametrize("device", DEVICES)
def test_offsets_of_a_larger_map_are_read_from_the_first_on(device):
    """So DyHead convolves the level below with a stride of 2 and this level's offsets."""
    x, weight = random(2, 3, 7, 9, device=device), random(4, 3, 3, 3, device=device)
    both = random(2, 27, 5, 6, device=device, seed=1).requires_grad_()  # the output is 4 x 5
    found = convolve(x, both[:, :18], both[:, 18:].sigmoid(), weight, 2)
    first = both.detach().flatten(1)
    leaf = torch.cat((first[:, : 18 * 20], first[:, 18 * 30 :][:, : 9 * 20]), 1).requires_grad_()
    offset, mask = (t.unflatten(1, (-1, 4, 5)) for t in leaf.split((360, 180), dim=1))
    expected = convolve(x, offset, mask.sigmoid(), weight, 2)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    expected.backward(gradient)
    grad = both.grad.flatten(1)
    read = torch.cat((grad[:, : 18 * 20], grad[:, 18 * 30 :][:, : 9 * 20]), 1)
    torch.testing.assert_close(read, leaf.grad)
    assert grad.count_nonzero() <= read.numel()
    assert not grad[:, 360:540].any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("step", [0.0, 1e-3, -1e-3])
def test_a_sample_one_step_before_the_map_moves_nothing(device, modulated, step):
    """Without offsets the outermost samples lie there; torchvision's gradient is of one side."""
    x = random(1, 2, 4, 5, device=device)
    weight = random(3, 2, 3, 3, device=device, seed=1)
    offset = torch.full((1, 18, 4, 5), step, dtype=x.dtype, device=device, requires_grad=True)
    if modulated:
        convolve(x, offset, torch.ones_like(offset[:, :9]), weight).sum().backward()
    else:
        mmcv.ops.deform_conv2d(x, offset, weight, 1, 1).sum().backward()
    grad = offset.grad.view(3, 3, 2, 4, 5)
    assert grad[1, 1].all()
    assert grad[0, :, :, 0].any() == grad[:, 0, ..., 0].any() == (step > 0)


def test_mmdetections_neck_that_reads_offsets_of_another_level():
    necks = pytest.importorskip("mmdet.models.necks")
    neck = necks.DyHead(16, 16, num_blocks=1)
    levels = [random(1, 16, n, n + 1).float().requires_grad_() for n in (8, 4, 2)]
    found = neck(levels)
    assert [f.shape for f in found] == [x.shape for x in levels]
    sum(f.square().sum() for f in found).backward()
    assert all(x.grad.any() for x in levels)
