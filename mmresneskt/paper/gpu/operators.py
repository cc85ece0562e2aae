"""The operators of mmcv that this package serves, on the device against float64 on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import mmcv.ops
import torch
import torch.nn.functional as F
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from mmcv.ops.sync_bn import SyncBatchNormFunction
from torch import Tensor

from .compare import draw, forward_and_backward, largest_error, row

_TOLERANCES = {"float32": (1e-4,) * 2, "float16": (1e-2,) * 2, "bfloat16": (5e-2,) * 2}
_ROIS = [[0, 4.3, 3.1, 21.7, 17.2], [1, -3.2, -2.6, 9.5, 11.3], [1, 20.1, 15.4, 31.3, 30.9]]
_ANGLES = [0.5, -1.25, 2.0]
_CLASSES = [0, 1, 2, 3, 4, 4, 0, 2]  # 4 is the background


def _rois(x: Tensor) -> Tensor:
    # in half precision other corners would be read on the CPU than on the device
    return torch.tensor(_ROIS, dtype=torch.bfloat16).to(x)


def _rotated(x: Tensor) -> Tensor:
    """The RoIs, by their middle and size, turned."""
    image, first, last = _rois(x).split((1, 2, 2), dim=1)
    return torch.cat((image, (first + last) / 2, last - first, x.new_tensor(_ANGLES)[:, None]), 1)


def _focal_loss(logits: Tensor) -> Tensor:
    classes = torch.tensor(_CLASSES, device=logits.device)
    return mmcv.ops.sigmoid_focal_loss(logits, classes, 2.0, 0.25, None, "none")


def _softmax_focal_loss(logits: Tensor) -> Tensor:
    classes = torch.tensor(_CLASSES, device=logits.device)
    return mmcv.ops.softmax_focal_loss(logits, classes, 2.0, 0.25, None, "sum")


def _attention(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    shapes = torch.tensor([[6, 5], [3, 2]], device=value.device)
    starts = torch.tensor([0, 30], device=value.device)
    at = locations.sigmoid() * 1.4 - 0.2  # some outside the maps
    return MultiScaleDeformableAttnFunction.apply(value, shapes, starts, at, weights, 64)


def _larger_map(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    return mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, None, 2, 1)


def _turns() -> Tensor:
    """Where each weight of a 3x3 filter goes at each eighth of a turn, (1, 3, 3, 8), from 1."""
    ring = [0, 1, 2, 5, 8, 7, 6, 3]
    places = torch.full((9, 8), 4)
    for nth, pixel in enumerate(ring):
        places[pixel] = torch.tensor(ring[nth:] + ring[:nth])
    return places.view(1, 3, 3, 8).int() + 1


def _modulated(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1)


_CONVOLVED = ((2, 4, 9, 11), (2, 18, 9, 11))
_LEARNED: dict[str, tuple[Callable[..., Tensor], tuple[tuple[int, ...], ...]]] = {
    "roi_align": (
        lambda x: mmcv.ops.roi_align(x, _rois(x), (7, 5), 0.25, 2, "avg", True),
        ((2, 5, 20, 24),),
    ),
    "deform_conv2d": (
        lambda x, offset, weight: mmcv.ops.deform_conv2d(x, offset, weight, 1, 1),
        (*_CONVOLVED, (6, 4, 3, 3)),
    ),
    "modulated_deform_conv2d": (_modulated, (*_CONVOLVED, (2, 9, 9, 11), (6, 4, 3, 3), (6,))),
    "modulated_deform_conv2d, offsets of a larger map": (
        _larger_map,
        (*_CONVOLVED, (2, 9, 9, 11), (6, 4, 3, 3)),
    ),
    "sigmoid_focal_loss": (_focal_loss, ((8, 4),)),
    "softmax_focal_loss": (_softmax_focal_loss, ((8, 5),)),
    "ms_deform_attn": (_attention, ((2, 36, 4, 8), (2, 7, 4, 2, 3, 2), (2, 7, 4, 2, 3))),
    "psa_mask, collect": (lambda x: mmcv.ops.PSAMask("collect", (5, 3))(x), ((2, 15, 4, 6),)),
    "psa_mask, distribute": (lambda x: mmcv.ops.PSAMask("distribute", (5, 3))(x), ((2, 15, 4, 6),)),
    "roi_align, maximum": (
        lambda x: mmcv.ops.roi_align(x, _rois(x), (7, 5), 0.25, 2, "max", True),
        ((2, 5, 20, 24),),
    ),
    "roi_align_rotated": (
        lambda x: mmcv.ops.roi_align_rotated(x, _rotated(x), (7, 5), 0.25, 2),
        ((2, 5, 20, 24),),
    ),
    "riroi_align_rotated": (
        lambda x: mmcv.ops.riroi_align_rotated(x, _rotated(x), (7, 5), 0.25, 2, 8),
        ((2, 16, 20, 24),),
    ),
    "rotated_feature_align": (
        lambda x: mmcv.ops.rotated_feature_align(
            x, _rotated(x)[0, 1:].repeat(2, 12, 14, 1), 0.5, 5
        ),
        ((2, 3, 12, 14),),
    ),
    "active_rotated_filter": (
        lambda x: mmcv.ops.active_rotated_filter(x, _turns().to(x.device)),
        ((4, 3, 1, 3, 3),),
    ),
    "roi_pool": (lambda x: mmcv.ops.roi_pool(x, _rois(x), (3, 2), 0.5), ((2, 5, 12, 14),)),
    "border_align": (
        lambda x: mmcv.ops.border_align(x, _rois(x)[1:, 1:][:, None] / 2, 5),
        ((2, 8, 12, 14),),
    ),
    "carafe": (
        lambda x, masks: mmcv.ops.carafe(x, masks, 5, 2, 2),
        ((2, 4, 6, 7), (2, 50, 12, 14)),
    ),
    "deform_roi_pool": (
        lambda x, offset: mmcv.ops.deform_roi_pool(x, _rois(x), offset, (3, 2), 0.5, 2, 0.1),
        ((2, 3, 12, 14), (3, 2, 3, 2)),
    ),
}


def _boxes() -> tuple[Tensor, Tensor]:
    corner, size = (draw(60, 2, seed=seed).abs() * 30 + 1 for seed in (0, 1))
    return torch.cat((corner, corner + size), 1).float(), draw(60, seed=2).sigmoid().float()


def _turned() -> Tensor:
    boxes, scores = _boxes()
    return torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2], 6 * scores[:, None] - 3), 1)


_SHAPES = ((1, 4, 7, 9), (1, 7, 9), (6, 4, 3, 3), (6,))
_FORWARD: dict[str, tuple[Callable, Callable[[], Sequence[Tensor]], float]] = {
    "masked_conv2d": (
        lambda x, mask, weight, bias: mmcv.ops.masked_conv2d(x, mask, weight, bias, 1),
        lambda: [draw(*shape, seed=seed).float() for seed, shape in enumerate(_SHAPES)],
        1e-4,
    ),
    "nms": (lambda boxes, scores: mmcv.ops.nms(boxes, scores, 0.4)[0], _boxes, 1e-5),
    "soft_nms": (
        lambda boxes, scores: mmcv.ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, "gaussian")[0],
        _boxes,
        1e-4,
    ),
    "nms_match": (
        lambda boxes, scores: mmcv.ops.nms_match(torch.cat((boxes, scores[:, None]), 1), 0.4),
        _boxes,
        1e-5,
    ),
    "bbox_overlaps": (lambda x, _: mmcv.ops.bbox_overlaps(x, x), _boxes, 1e-5),
    "box_iou_rotated": (lambda x: mmcv.ops.box_iou_rotated(x, x), lambda: [_turned()], 1e-5),
    "nms_rotated": (lambda x: mmcv.ops.nms_rotated(x, x[:, 0], 0.2)[0], lambda: [_turned()], 1e-5),
}
"""Without gradients: the function, its inputs in float32 and the tolerance."""


def steps(device: str) -> dict[str, Callable[[], list[list]]]:
    """A check for each operator and precision."""
    found = {
        f"{name}, {precision}": functools.partial(_learned, name, precision, device)
        for precision in _TOLERANCES
        for name in _LEARNED
    }
    others = {name: functools.partial(_forward, name) for name in _FORWARD} | dict(
        diff_iou_rotated_2d=_rotated_differentiable, prroi_pool=_prroi_pool, sync_bn=_sync_bn
    )
    return found | {name: functools.partial(check, device) for name, check in others.items()}


def _learned(name: str, precision: str, device: str) -> list[list]:
    function, shapes = _LEARNED[name]
    dtype = getattr(torch, precision)
    inputs = [_between(draw(*shape, seed=seed)).to(dtype) for seed, shape in enumerate(shapes)]
    wanted, found = (
        forward_and_backward(function, [x.to(*to).requires_grad_() for x in inputs], ())
        for to in ((torch.float64,), (device,))
    )
    forward, backward = (largest_error(*pair) for pair in zip(found, wanted))
    return row(f"{name}, {precision}", forward, backward, _TOLERANCES[precision])


def _between(x: Tensor) -> Tensor:
    """Away from whole numbers, where the gradient of an offset jumps."""
    return x.floor() + 0.25 + (x - x.floor()) / 2


def _forward(name: str, device: str) -> list[list]:
    function, inputs, tolerance = _FORWARD[name]
    outs = (function(*(x.to(to) for x in inputs())) for to in (torch.float64, device))
    wanted, found = ([out] if isinstance(out, Tensor) else out for out in outs)
    return row(name, largest_error(found, wanted), None, (tolerance,))


def _rotated_differentiable(device: str) -> list[list]:
    """Not in half precision, in which mmcv divides by zero."""
    wanted, found = (
        forward_and_backward(
            mmcv.ops.diff_iou_rotated_2d,
            [part[None].to(to).requires_grad_() for part in _turned().split(30)],
            (),
        )
        for to in (torch.float64, device)
    )
    forward, backward = (largest_error(*pair) for pair in zip(found, wanted))
    return row("diff_iou_rotated_2d", forward, backward, (1e-4, 1e-3))


def _prroi_pool(device: str) -> list[list]:
    """mmcv takes float32 alone, on the CPU too."""
    inputs = (draw(2, 3, 12, 14).float(), torch.tensor(_ROIS))
    wanted, found = (
        forward_and_backward(
            lambda x, rois: mmcv.ops.prroi_pool(x, rois, (3, 2), 0.5),
            [x.to(to).requires_grad_() for x in inputs],
            (),
        )
        for to in ("cpu", device)
    )
    forward, backward = (largest_error(*pair) for pair in zip(found, wanted))
    return row("prroi_pool", forward, backward, (1e-4, 1e-4))


def _sync_bn(device: str) -> list[list]:
    """Of one process, against torch's batch normalization."""
    inputs = [draw(4, 3, 5, 2), *(draw(3, seed=seed) for seed in (1, 2))]

    def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        running = (torch.zeros_like(bias), torch.ones_like(bias))
        settings = (0.1, 1e-5, None, 1, "default")
        return SyncBatchNormFunction.apply(x, *running, weight, bias, *settings)

    def theirs(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, weight, bias, training=True)

    wanted = forward_and_backward(theirs, [x.requires_grad_() for x in inputs], ())
    on_device = [x.detach().float().to(device).requires_grad_() for x in inputs]
    found = forward_and_backward(ours, on_device, ())
    forward, backward = (largest_error(*pair) for pair in zip(found, wanted))
    return row("sync_bn", forward, backward, (1e-4, 1e-4))
