"""Average pooling whose gradient is right in every memory layout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AvgPool2d(nn.AvgPool2d):
    """:class:`torch.nn.AvgPool2d` with zero padding, (N, C, H, W) -> (N, C, H', W').

    On CUDA, PyTorch's backward pass of a padded average pooling in channels_last reads the
    gradient of other windows, without a word (pytorch/pytorch#188344, found in torch 2.11, closed
    in July 2026). There the zeros are put around the image first.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda and x.requires_grad and not _is_nchw_alone(x):
            return self.of_padded(x)
        return super().forward(x)

    def of_padded(self, x: Tensor) -> Tensor:
        """The same, bit for bit, by a padding and a pooling without one."""
        padded = F.pad(x, [self.padding] * 4)  # type: ignore[list-item]
        return F.avg_pool2d(padded, self.kernel_size, self.stride)


def _is_nchw_alone(x: Tensor) -> bool:
    # a single channel or position is both; PyTorch then goes by the strides
    return x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last)
