"""What a config's test pipeline and data preprocessor make of an image, as a part of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from ..errors import UserError

_ONE = 2048
"""OpenCV's weights of neighbouring pixels are whole multiples of 1 / 2048."""


class Preprocess(nn.Module):
    """An image (H, W, 3), RGB, uint8, as the model takes it.

    Args:
        transforms: of the test pipeline.
        preprocessor: the model's.

    Raises:
        UserError: there is a transform that has no counterpart here.
    """

    def __init__(self, transforms: Sequence[Callable], preprocessor: BaseDataPreprocessor) -> None:
        super().__init__()
        self.steps = [step for t in transforms if (step := _step(t))]
        self.preprocessor = preprocessor

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch (1, 3, height, width), the size of the image in it, and how much it grew.

        The size and the two factors are those of height and width.
        """
        x = image.flip(2).int()  # BGR, as the MM libraries read images
        factors = torch.ones(2)
        for changes_scale, step in self.steps:
            before, x = _size(x), step(x)
            if changes_scale:
                factors = factors * (_size(x).double() / before.double()).float()
        size = _size(x)
        pre = self.preprocessor
        x = x.permute(2, 0, 1)[None].float()
        if getattr(pre, "_channel_conversion", False) or getattr(pre, "to_rgb", False):
            x = x.flip(1)
        if pre._enable_normalize:
            x = (x - pre.mean) / pre.std
        divisor = getattr(pre, "pad_size_divisor", 1)
        if divisor > 1:
            x = _pad(x, _up(size, divisor), pre.pad_value)
        return x, size, factors


def _step(transform: Callable) -> tuple[bool, Callable[[Tensor], Tensor]] | None:
    """What a transform does to an image (H, W, 3) of whole numbers; None where nothing.

    The first is whether it changes the scale.
    """
    name = type(transform).__name__
    settings = vars(transform)
    if "Load" in name or name.startswith("Pack"):
        return None
    if name in ("Resize", "ResizeEdge"):
        how = (settings.get("backend", "cv2"), settings.get("interpolation", "bilinear"))
        if how != ("cv2", "bilinear"):
            raise UserError(
                f"{name} of the test pipeline resizes by {' and '.join(how)}, and a graph can by "
                f"cv2 and bilinear alone: --no-preprocess leaves it out"
            )
        scale: Any = settings.get("scale")
        if name == "ResizeEdge":
            return True, lambda x: _resize(x, _edge(x, scale, settings["edge"]))
        if scale:
            keep = settings.get("keep_ratio")
            return True, lambda x: _resize(
                x, _within(x, scale) if keep else torch.tensor(scale[::-1])
            )
    if name == "Pad" and settings.get("padding_mode") == "constant":
        value = (settings.get("pad_val") or {}).get("img", 0)
        size, divisor = settings.get("size"), settings.get("size_divisor")
        if settings.get("pad_to_square"):
            return False, lambda x: _fill(x, _up(_size(x).max().repeat(2), divisor or 1), value)
        if size:
            return False, lambda x: _fill(
                x, torch.maximum(torch.tensor(size[::-1]), _size(x)), value
            )
        if divisor:
            return False, lambda x: _fill(x, _up(_size(x), divisor), value)
    if name == "CenterCrop" and not settings.get("auto_pad"):
        width, height = settings["crop_size"]
        return False, lambda x: _crop(x, height, width)
    raise UserError(
        f"{name} of the test pipeline has no counterpart in a graph: --no-preprocess leaves it out"
    )


def _size(x: Tensor) -> Tensor:
    return torch._shape_as_tensor(x)[:2]


def _up(size: Tensor, divisor: int) -> Tensor:
    return torch.div(size + divisor - 1, divisor, rounding_mode="trunc") * divisor


def _within(x: Tensor, scale: Sequence[int]) -> Tensor:
    """The largest size of the image's shape whose sides are within the two of ``scale``."""
    own = _size(x).double()
    most = torch.tensor([max(scale), min(scale)], dtype=torch.float64)
    factor = (most / torch.stack([own.max(), own.min()])).min()
    return (own * factor + 0.5).long()


def _edge(x: Tensor, length: int, edge: str) -> Tensor:
    """The size of the image's shape whose short or long side, or width or height, is so long."""
    own = _size(x).double()
    sides = {"short": own.min(), "long": own.max(), "width": own[1], "height": own[0]}
    return (own * length / sides[edge]).long()


def _resize(x: Tensor, size: Tensor) -> Tensor:
    """OpenCV's bilinear resizing of (H, W, C), in its whole numbers."""
    own = _size(x)
    top, bottom, below = _neighbours(own[0], size[0])
    left, right, beside = _neighbours(own[1], size[1])
    rows = [x.index_select(0, row) for row in (top, bottom)]
    weights = (_ONE - below, below)
    total = torch.zeros((), dtype=torch.int32)
    for row, weight in zip(rows, weights):
        across = row.index_select(1, left) * (_ONE - beside)[None, :, None]
        across = across + row.index_select(1, right) * beside[None, :, None]
        total = total + _shift(_shift(across, 4) * weight[:, None, None], 16)
    return _shift(total + 2, 2).clamp(0, 255)


def _shift(x: Tensor, bits: int) -> Tensor:
    return torch.div(x, 2**bits, rounding_mode="trunc")


def _neighbours(old: Tensor, new: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each of ``new`` pixels the two of ``old`` around it, and the second one's weight."""
    steps = torch.arange(new)  # type: ignore[call-overload]
    # the exporter would divide one double by another in single precision
    at = ((steps + 0.5).double() * old.double() / new.double() - 0.5).float()
    first = at.floor()
    weight = ((at - first) * _ONE).round().int()
    pair = torch.stack([first, first + 1]).long().clamp(min=0)
    first, second = torch.minimum(pair, old - 1).unbind(0)
    return first, second, weight


def _pad(x: Tensor, size: Tensor, value: float) -> Tensor:
    """Fill (..., H, W) up to a size, below and to the right."""
    more = size - torch._shape_as_tensor(x)[-2:]
    return F.pad(x, [0, more[1], 0, more[0]], value=value)  # type: ignore[list-item]


def _fill(x: Tensor, size: Tensor, value: float | Sequence[float]) -> Tensor:
    """Fill (H, W, 3) up to a size with a colour."""
    values = value if isinstance(value, (list, tuple)) else [value] * 3
    parts = [_pad(x[:, :, i], size, float(v)) for i, v in enumerate(values)]
    return torch.stack(parts, 2)


def _crop(x: Tensor, height: int, width: int) -> Tensor:
    """The middle of (H, W, C), all of a side that is shorter."""
    own = _size(x)
    most = torch.tensor([height, width])
    start = ((own - most).clamp(min=0).double() / 2).round().long()
    end = torch.minimum(start + most, own)
    return x[start[0] : end[0], start[1] : end[1]]
