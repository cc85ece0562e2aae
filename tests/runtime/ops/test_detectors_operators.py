"""mmcv's operators on torchvision, against torchvision's own API and plain formulas."""

import subprocess
import sys

import mmcv.ops
import numpy as np
import pytest
import torch
import torchvision

from mmresneskt.runtime import ops
from tests.support.helpers import REDUCED
from tests.support.operators import DEVICES, served


def boxes(n, seed=0, device="cpu"):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * 60
    size = torch.rand(n, 2, generator=generator) * 40 + 1
    scores = torch.rand(n, generator=generator)
    return torch.cat((corner, corner + size), 1).to(device), scores.to(device)


def greedy_nms(found, scores, threshold, offset):
    """Indices kept, by the definition."""
    order, kept = np.argsort(-scores), []
    for i in order:
        if all(iou(found[i], found[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def iou(a, b, offset):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    areas = [(x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b)]
    return inter / (sum(areas) - inter)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("n", [0, 1, 60])
def test_nms(device, offset, n):
    b, s = boxes(n, device=device)
    dets, kept = mmcv.ops.nms(b, s, 0.4, offset=offset)
    assert kept.tolist() == greedy_nms(b.cpu().numpy(), s.cpu().numpy(), 0.4, offset)
    assert torch.equal(dets, torch.cat((b[kept], s[kept, None]), 1))


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("n", [1, 50])
def test_soft_nms(method, offset, n):
    b, s = boxes(n, seed=1)
    dets, kept = mmcv.ops.soft_nms(
        b, s, iou_threshold=0.3, sigma=0.5, min_score=0.05, method=method, offset=offset
    )
    alive = {i: float(v) for i, v in enumerate(s)}
    expected = []
    while alive:
        best = max(alive, key=alive.get)
        expected.append((best, alive.pop(best)))
        for i in list(alive):
            overlap = iou(b[i].tolist(), b[best].tolist(), offset)
            if method == "gaussian":
                alive[i] *= np.exp(-(overlap**2) / 0.5)
            elif overlap >= 0.3:
                alive[i] *= 1 - overlap if method == "linear" else 0
            if alive[i] < 0.05:
                del alive[i]
    assert kept.tolist() == [i for i, _ in expected]
    scores = torch.tensor([v for _, v in expected], dtype=dets.dtype)
    torch.testing.assert_close(dets[:, 4], scores)
    torch.testing.assert_close(dets[:, :4], b[kept])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align(device, aligned, ratio):
    x = torch.randn(2, 5, 20, 24, device=device)
    rois = torch.cat(
        (torch.tensor([[0.0], [1], [1]], device=device), boxes(3, device=device)[0]), 1
    )
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    found = mmcv.ops.roi_align(inputs[0], rois, (7, 5), 0.25, ratio, "avg", aligned)
    expected = torchvision.ops.roi_align(inputs[1], rois, (7, 5), 0.25, ratio, aligned)
    assert torch.equal(found, expected)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    expected.backward(gradient)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)


@pytest.mark.parametrize("dtype", REDUCED)
def test_reduced_precision(dtype):
    torch.manual_seed(0)
    x = torch.randn(1, 4, 8, 8).to(dtype).requires_grad_()
    rois = torch.tensor([[0, 0, 0, 20.0, 20]]).to(dtype)
    pooled = mmcv.ops.roi_align(x, rois, 3, 0.25, 2)
    expected = torchvision.ops.roi_align(x.float(), rois.float(), 3, 0.25, 2, True)
    torch.testing.assert_close(pooled.float(), expected, rtol=0.02, atol=0.02)
    weight = torch.randn(4, 4, 3, 3).to(dtype)
    offset = torch.zeros(1, 18, 8, 8, dtype=dtype)
    convolved = mmcv.ops.deform_conv2d(x, offset, weight, 1, 1)
    (pooled.float().sum() + convolved.float().sum()).backward()
    assert x.grad.dtype == pooled.dtype == convolved.dtype == dtype
    assert x.grad.isfinite().all()
    b, s = boxes(20)
    b = b.to(dtype)
    _, kept = mmcv.ops.nms(b, s.to(dtype), 0.4)
    assert kept.tolist() == greedy_nms(b.float().numpy(), s.to(dtype).float().numpy(), 0.4, 0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("groups", "deform_groups"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("modulated", [False, True])
def test_deformable_convolutions(device, groups, deform_groups, modulated):
    torch.manual_seed(0)
    geometry = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2))
    x = torch.randn(2, 4, 9, 11, device=device)
    weight = torch.randn(6, 4 // groups, 3, 3, device=device)
    h, w = 5, 11
    offset = torch.randn(2, 18 * deform_groups, h, w, device=device)
    mask = torch.rand(2, 9 * deform_groups, h, w, device=device)
    bias = torch.randn(6, device=device)
    ours = [t.clone().requires_grad_() for t in (x, offset, weight, mask, bias)]
    theirs = [t.clone().requires_grad_() for t in (x, offset, weight, mask, bias)]
    settings = (*geometry.values(), groups, deform_groups)
    if modulated:
        found = mmcv.ops.modulated_deform_conv2d(
            ours[0], ours[1], ours[3], ours[2], ours[4], *settings
        )
        expected = torchvision.ops.deform_conv2d(
            theirs[0], theirs[1], theirs[2], theirs[4], mask=theirs[3], **geometry
        )
    else:
        found = mmcv.ops.deform_conv2d(ours[0], ours[1], ours[2], *settings)
        expected = torchvision.ops.deform_conv2d(*theirs[:3], **geometry)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(found)
    found.backward(gradient)
    expected.backward(gradient)
    for a, b in zip(ours if modulated else ours[:3], theirs):
        torch.testing.assert_close(a.grad, b.grad)


def test_a_deformable_convolution_without_offsets_is_a_convolution():
    x, weight = torch.randn(1, 3, 6, 7), torch.randn(4, 3, 3, 3)
    found = mmcv.ops.deform_conv2d(x, torch.zeros(1, 18, 6, 7), weight, 1, 1)
    torch.testing.assert_close(found, torch.nn.functional.conv2d(x, weight, padding=1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_focal_loss(device, weighted):
    torch.manual_seed(0)
    logits = torch.randn(8, 4, device=device) * 3
    target = torch.tensor([0, 1, 2, 3, 4, 4, 0, 2], device=device)  # 4 is background
    # mmcv reads past the end of the factors for a background row: none here
    if weighted:
        logits, target = logits[target < 4], target[target < 4]
    factors = torch.rand(4, device=device) if weighted else None
    ours = logits.clone().requires_grad_()
    found = mmcv.ops.sigmoid_focal_loss(ours, target, 2.0, 0.25, factors, "none")
    theirs = logits.double().requires_grad_()
    one_hot = torch.zeros(len(logits), 5, device=device).scatter_(1, target[:, None], 1)[:, :4]
    expected = torchvision.ops.sigmoid_focal_loss(theirs, one_hot.double(), 0.25, 2.0)
    if weighted:
        expected = expected * factors[target, None]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-5, atol=1e-6)


@served
def test_another_operator_raises_with_its_name_and_the_remedy():
    with pytest.raises(NotImplementedError, match="'ball_query_forward'.*pip install mmcv"):
        mmcv.ops.ball_query(0.0, 1.0, 2, torch.rand(1, 4, 3), torch.rand(1, 2, 3))


@served
def test_mmcvs_environment_report_still_works():
    from mmcv.utils import collect_env

    assert "torchvision" in collect_env()["MMCV Compiler"]


@served
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("auto", "torchvision"),
        ("torchvision", "torchvision"),
        ("mmcv", "no compiled operators"),
        ("cuda", "MMRESNESKT_OPS=cuda is not allowed"),
    ],
)
def test_the_variable_chooses(value, text, monkeypatch):
    monkeypatch.setenv(ops.VARIABLE, value)
    if text == "torchvision":
        assert ops.install() == text
    else:
        with pytest.raises((ImportError, ValueError), match=text):
            ops.install()


def test_compiled_operators_are_never_replaced(tmp_path):
    """A package called mmcv with a real ``_ext`` file, in a process of its own."""
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '2.1.0'\n")
    (package / "_ext.py").write_text("compiled = True\n")
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from mmresneskt_ops import install\n"
        "print(install())\n"
        "import mmcv._ext; print(mmcv._ext.compiled)\n"
        "os.environ['MMRESNESKT_OPS'] = 'torchvision'\n"
        "try: install()\n"
        "except ImportError as error: print(error)\n"
    )
    (tmp_path / "mmresneskt_ops").symlink_to(ops.__path__[0])
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    lines = result.stdout.splitlines()
    assert lines[:2] == ["mmcv", "True"], result.stderr
    assert "never replaced" in lines[2]
