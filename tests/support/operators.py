"""What the tests of operators share: where they run, and what they are given."""

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
