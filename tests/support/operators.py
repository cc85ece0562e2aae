"""What the tests of operators share: where they run, and what they are given."""

import math
import sys

import pytest
import torch

from mmresneskt.runtime.ops.extension import EXTENSION, Extension

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
# an image's index and corners: inside, over the map's corners, outside, without a size, reversed
ROIS = torch.tensor(
    [
        [0, 4.3, 3.1, 21.7, 17.2],
        [1, -3.2, -2.6, 9.5, 11.3],
        [1, 20.1, 15.4, 31.3, 30.9],
        [0, 60.0, 60.0, 75.0, 80.0],
        [1, 8.0, 8.0, 8.0, 8.0],
        [0, 20.0, 18.0, 10.0, 4.0],
    ],
    dtype=torch.float64,
)
served = pytest.mark.skipif(
    not isinstance(sys.modules.get(EXTENSION), Extension),
    reason="mmcv's compiled operators of these names have no CPU kernels",
)


def random(*shape, device="cpu", seed=0):
    """Numbers of a normal distribution, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device)


def bilinear(image, y, x):
    """mmcv's rule: the edge's value up to a pixel outside the map, beyond it zero."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros_like(image[:, 0, 0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    value = torch.zeros_like(image[:, 0, 0])
    for v, u in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if v < height and u < width:
            value = value + image[:, v, u] * (1 - abs(y - v)) * (1 - abs(x - u))
    return value


def polygon(box):
    """The corners of a rotated box, from the x axis towards the y axis."""
    x, y, w, h, angle = box
    w, h = abs(w), abs(h)
    cos, sin = math.cos(angle), math.sin(angle)
    signs = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    return [(x + w * u * cos - h * v * sin, y + w * u * sin + h * v * cos) for u, v in signs]


def turned_boxes(n, seed=0, side=10.0):
    """Rotated boxes (n, 5) with their middles in a square."""
    values = torch.rand(n, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    low = values.new_tensor([0, 0, 0.5, 0.5, -4])
    return low + values * values.new_tensor([side, side, 8, 4, 8])
