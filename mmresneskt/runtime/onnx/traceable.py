"""MMDetection's prediction in a form that a trace keeps for every image.

A trace keeps what was computed for one image. Two kinds of Python are lost in it: branches on how
many boxes there are, and numbers that were read from tensors. Every detector meets them in a few
functions of the libraries, in whose place :func:`traceable` puts others.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from inspect import isfunction
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from mmcv.ops import RoIAlign, batched_nms
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from mmdet.models.layers import multiclass_nms
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.utils import filter_scores_and_topk
from torch import Tensor, nn

PLACEHOLDER = -1
"""The score of a box that is there because a trace must not meet an empty tensor; not a result."""
_SPLIT, _NEW_TENSOR = Tensor.split, Tensor.new_tensor


class AtMost(int):
    """A limit of how many are kept, which says of every count that it is above it.

    The libraries compare first and take a slice then, which needs no comparison.
    """

    def __lt__(self, count: object) -> bool:
        return True


@contextlib.contextmanager
def traceable(model: nn.Module) -> Iterator[None]:
    """Within it, a detector of MMDetection can be traced on one image."""
    originals: list[tuple[object, str, object]] = [
        (torch.Tensor, "split", _split),
        (torch.Tensor, "new_tensor", _new_tensor),
        (torch, "squeeze", _squeeze),
        (torch.onnx, "is_in_onnx_export", lambda: False),  # for the libraries' former exporters
        (RoIAlign, "forward", _roi_align),
        (SingleRoIExtractor, "forward", _extract),
        (FCNMaskHead, "_predict_by_feat_single", _masks),
    ]
    for module in model.modules():
        if isinstance(settings := getattr(module, "test_cfg", None), dict):
            originals.append((module, "test_cfg", _kept_limits(settings)))
    functions: dict[Callable, Callable] = {
        batched_nms: _batched_nms,
        multiclass_nms: _multiclass_nms,
        filter_scores_and_topk: _filter_scores_and_topk,
        multi_scale_deformable_attn_pytorch: _deformable_attention,
    }
    libraries = [m for name, m in sys.modules.items() if name.startswith(("mmdet.", "mmcv."))]
    for library in libraries:
        for name, value in vars(library).items():
            if isfunction(value) and value in functions:
                originals.append((library, name, functions[value]))
    with contextlib.ExitStack() as stack:
        for owner, name, substitute in originals:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, substitute)
        yield


def _split(self: Tensor, size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """The boxes of the one image are all, however many."""
    if isinstance(size, (tuple, list)) and len(size) == 1:
        return (self,)
    return _SPLIT(self, size, dim)


def _new_tensor(self: Tensor, data: object, **how: Any) -> Tensor:
    """The sizes of an image in a list stay open."""
    if isinstance(data, (list, tuple)) and data:
        return torch.stack([_new_tensor(self, part, **how) for part in data])
    if isinstance(data, Tensor):
        return data.to(how.get("dtype") or self.dtype)
    return _NEW_TENSOR(self, data, **how)


def _squeeze(x: Tensor, dim: int | None = None) -> Tensor:
    """The exporter takes the sizes that are left for constants where no dimension is named."""
    ones = [i for i, length in enumerate(x.shape) if int(length) == 1] if dim is None else [dim]
    for i in reversed(ones):
        x = x.squeeze(i)
    return x


def _candidates(scores: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Which of scores (...) are above a threshold, at least one, and all of the scores.

    Where none is, the highest is a placeholder.
    """
    above = scores > threshold
    return above | (scores == scores.max()), scores.masked_fill(~above, PLACEHOLDER)


def _filter_scores_and_topk(
    scores: Tensor, score_thr: float, topk: int, results: object = None
) -> tuple[Tensor, Tensor, Tensor, object]:
    chosen, scores = _candidates(scores, score_thr)
    where = torch.nonzero(chosen)
    scores, order = scores[chosen].sort(descending=True)
    scores = scores[: int(topk)]
    keep, labels = where[order[: int(topk)]].unbind(dim=1)
    if isinstance(results, dict):
        results = {key: value[keep] for key, value in results.items()}
    elif isinstance(results, list):
        results = [value[keep] for value in results]
    elif results is not None:
        results = results[keep]  # type: ignore[index]
    return scores, labels, keep, results


def _multiclass_nms(
    multi_bboxes: Tensor,
    multi_scores: Tensor,
    score_thr: float,
    nms_cfg: dict,
    max_num: int = -1,
    box_dim: int = 4,
) -> tuple[Tensor, Tensor]:
    """Boxes with their scores (K, 5) and labels (K,), of boxes (N, 4 or 4C), scores (N, C + 1)."""
    classes = multi_scores.shape[1] - 1
    chosen, scores = _candidates(multi_scores[:, :-1], score_thr)
    boxes = multi_bboxes.reshape(multi_bboxes.shape[0], -1, box_dim)
    boxes = boxes.expand(-1, classes, box_dim)[chosen]
    labels = torch.nonzero(chosen)[:, 1]
    found, keep = _batched_nms(boxes, scores[chosen], labels, nms_cfg)
    most = max_num if max_num > 0 else None
    return found[:most], labels[keep][:most]


def _batched_nms(
    boxes: Tensor, scores: Tensor, idxs: Tensor, nms_cfg: dict | None, class_agnostic: bool = False
) -> tuple[Tensor, Tensor]:
    """Boxes with their scores (K, 5) and their indices (K,), of boxes (N, 4), by score."""
    if nms_cfg is None:
        scores, keep = scores.sort(descending=True)
        return torch.cat([boxes[keep], scores[:, None]], -1), keep
    boxes = boxes.reshape(-1, 4)  # OpenVINO must see that there are four sides
    valid = torch.ones_like(scores, dtype=torch.bool)
    if "min_size" in nms_cfg:
        valid = ((boxes[:, 2:4] - boxes[:, :2]) > nms_cfg["min_size"]).all(1)
    if nms_cfg.get("score_threshold", 0) > 0:
        valid = valid & (scores > nms_cfg["score_threshold"])
    at = torch.nonzero(valid | ~valid.any())[:, 0]
    chosen = boxes[at]
    if not nms_cfg.get("class_agnostic", class_agnostic):
        chosen = chosen + (idxs[at].to(boxes) * (boxes.max() + 1))[:, None]
    keep = at[torchvision.ops.nms(chosen, scores[at], nms_cfg["iou_threshold"])]
    if nms_cfg.get("max_num", -1) > 0:
        keep = keep[: nms_cfg["max_num"]]
    return torch.cat([boxes[keep], scores[keep][:, None]], -1), keep


def _roi_align(self: RoIAlign, features: Tensor, rois: Tensor) -> Tensor:
    how = (self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)
    return torchvision.ops.roi_align(features, rois, *how)


def _extract(
    self: SingleRoIExtractor,
    feats: Sequence[Tensor],
    rois: Tensor,
    roi_scale_factor: float | None = None,
) -> Tensor:
    """Each box (N, 5) from the level of its size; levels without a box among them."""
    levels = self.map_roi_levels(rois, len(feats))
    if roi_scale_factor is not None:
        rois = self.roi_rescale(rois, roi_scale_factor)
    found, places = [], []
    for number, (layer, level) in enumerate(zip(self.roi_layers, feats)):
        place = torch.nonzero(levels == number)[:, 0]
        found.append(layer(level, rois[place]))
        places.append(place)
    return torch.cat(found)[torch.argsort(torch.cat(places))]


def _masks(
    self: FCNMaskHead, mask_preds: Tensor, bboxes: Tensor, labels: Tensor, *_: object, **__: object
) -> Tensor:
    """The probability (N, h, w) in each box; :func:`paste` puts it where it belongs."""
    probability = mask_preds.sigmoid()
    if self.class_agnostic:
        return probability[:, 0]
    index = labels[:, None, None, None].expand(-1, 1, *probability.shape[2:])
    return probability.gather(1, index)[:, 0]


def paste(probability: Tensor, boxes: Tensor, size: Tensor) -> Tensor:
    """Masks (N, H, W) of probabilities (N, h, w) in boxes (N, 4), ``size`` being (H, W)."""
    grids = []
    for axis, length in ((1, size[0]), (0, size[1])):
        at = torch.arange(length)  # type: ignore[call-overload]
        low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
        grids.append((at + 0.5 - low) / (high - low) * 2 - 1)
    y, x = grids
    x = x[:, None, :].expand(-1, y.shape[1], -1)
    y = y[:, :, None].expand(-1, -1, x.shape[2])
    grid = torch.stack([x, y], 3)
    return F.grid_sample(probability[:, None], grid, align_corners=False)[:, 0]


def _deformable_attention(
    value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    """Multi-scale deformable attention, whose levels' sizes (L, 2) stay open.

    Value (N, keys, heads, C), locations (N, queries, heads, L, points, 2) and weights (N, queries,
    heads, L, points) give (N, queries, heads * C).
    """
    grids = 2 * locations - 1
    starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)])
    sampled = []
    for level in range(locations.shape[3]):
        part = value[:, starts[level] : starts[level + 1]].permute(0, 2, 3, 1).flatten(0, 1)
        part = part.unflatten(2, (shapes[level, 0], shapes[level, 1]))
        grid = grids[:, :, :, level].transpose(1, 2).flatten(0, 1)
        sampled.append(F.grid_sample(part, grid, align_corners=False))
    weight = weights.transpose(1, 2).flatten(0, 1).flatten(2)[:, None]
    found = (torch.stack(sampled, -2).flatten(-2) * weight).sum(-1)
    return found.reshape(value.shape[0], -1, found.shape[-1]).transpose(1, 2)


def _kept_limits(settings: dict) -> dict:
    """Settings of a head of which a trace keeps how many boxes are taken, and how small.

    The size of the smallest goes to the non-maximum suppression, which has no branch on it.
    """
    settings = copy.deepcopy(settings)
    if settings.get("nms_pre", -1) > 0:
        settings["nms_pre"] = AtMost(settings["nms_pre"])
    if settings.get("min_bbox_size", -1) >= 0 and settings.get("nms"):
        settings["nms"]["min_size"] = settings.pop("min_bbox_size")
    return settings
