"""Time and memory of ResNeSkt against batch, image size, K and depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from .measure import random_images
from .networks import build_network
from .speed import Speed, step_speeds
from .variants import LAYOUTS, Variant, step


@dataclass(frozen=True)
class Point:
    """A training step of one size, with the spatial attention and without."""

    axis: str
    value: int
    on: Speed
    off: Speed


def scaling(batch: int, size: int, layout: str, device: str, rounds: int) -> Iterator[Point]:
    """Points along each axis, the others at ``batch``, ``size``, K = 1 and 50 layers.

    K is cardinality and groups of the spatial attention; the width of a group is
    ResNeSt's 64 / K, so that V has the same size.
    """
    for value in sorted({1, max(batch // 2, 1), batch, 2 * batch}):
        yield _point("batch", value, value, size, layout, device, rounds)
    for value in (size // 2 // 32 * 32, size, size * 3 // 2 // 32 * 32):
        yield _point("image size", value, batch, value, layout, device, rounds)
    for value in (1, 2, 4):
        k = dict(cardinality=value, base_width=64 // value)
        yield _point("K", value, batch, size, layout, device, rounds, **k)
    for value in (14, 26, 50, 101):
        yield _point("depth", value, batch, size, layout, device, rounds, depth=value)


def _point(
    axis: str,
    value: int,
    batch: int,
    size: int,
    layout: str,
    device: str,
    rounds: int,
    **arguments: object,
) -> Point:
    images = random_images(batch, size, size, device)
    steps = {
        attention: _step(images, layout, {"depth": 50, **arguments, "spatial_attention": attention})
        for attention in (True, False)
    }
    speeds = step_speeds(steps, rounds, device)
    return Point(axis, value, speeds[True], speeds[False])


def _step(images: Tensor, layout: str, arguments: dict):
    model: nn.Module = build_network("resneskt50", **arguments)
    model = model.to(images.device, memory_format=LAYOUTS[layout])
    images = images.contiguous(memory_format=LAYOUTS[layout])
    return step(Variant("resneskt50", "training", layout), model, images)
