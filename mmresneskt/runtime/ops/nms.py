"""mmcv's ``nms``, ``softnms`` and ``nms_match`` on torchvision and torch."""

import torch
import torchvision
from torch import Tensor

from .precision import at_least_float32


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices (K,) of the boxes (N, 4) kept, by descending score.

    ``offset`` is 1 where a box's width is x2 - x1 + 1.
    """
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # in half precision neighbouring boxes coincide, and the CPU has no such kernel
    return torchvision.ops.nms(boxes.float(), scores.float(), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Bodla et al., "Soft-NMS" (arXiv:1704.04503): lower the scores of overlapping boxes.

    Args:
        boxes, scores: (N, 4) and (N,).
        dets: (N, 5), filled with the kept boxes and their lowered scores.
        method: 0 drops overlapping boxes, 1 lowers linearly, 2 by a Gaussian of ``sigma``.

    Returns:
        Indices (K,) of the kept boxes, in the order of ``dets``.
    """
    scores = scores.clone()
    alive = torch.arange(len(boxes))
    areas = _area(boxes, offset)
    kept: list[Tensor] = []
    while len(alive):
        best = alive[scores[alive].argmax()]
        dets[len(kept), :4] = boxes[best]
        dets[len(kept), 4] = scores[best]
        kept.append(best)
        alive = alive[alive != best]
        overlap = _area(
            torch.cat(
                (
                    torch.maximum(boxes[alive, :2], boxes[best, :2]),
                    torch.minimum(boxes[alive, 2:], boxes[best, 2:]),
                ),
                dim=1,
            ),
            offset,
        )
        iou = overlap / (areas[alive] + areas[best] - overlap)
        if method == 0:
            decay = (iou < iou_threshold).to(scores)
        elif method == 1:
            decay = torch.where(iou >= iou_threshold, 1 - iou, torch.ones_like(iou))
        else:
            decay = torch.exp(-(iou**2) / sigma)
        scores[alive] *= decay
        alive = alive[scores[alive] >= min_score]
    return torch.stack(kept) if kept else alive


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of indices of dets (N, 5): a box that is kept, then those that it removes.

    All are by descending score; a box is removed at the threshold already.
    """
    boxes, scores = at_least_float32(dets)[0].split((4, 1), dim=1)
    left = scores[:, 0].argsort(descending=True, stable=True)
    groups = []
    while len(left):
        matched = torchvision.ops.box_iou(boxes[left[:1]], boxes[left])[0] >= iou_threshold
        matched[0] = True  # also a box without a size, which does not overlap even itself
        groups.append(left[matched].tolist())
        left = left[~matched]
    return groups


def _area(boxes: Tensor, offset: int) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0).prod(1)
