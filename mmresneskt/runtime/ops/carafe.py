"""mmcv's ``carafe``: Wang et al., arXiv:1905.02188, equation (3).

Every pixel of the upsampled map is a sum over its source's neighbourhood, with weights of its
own. The tensors named r... are for the NHWC copies of mmcv's kernels, and not needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill output (N, C, H * scale, W * scale) from features (N, C, H, W).

    ``masks`` (N, groups * kernel ** 2, H * scale, W * scale) are the weights.
    """
    rfeatures.copy_(features)  # mmcv keeps them under this name for the backward
    features, masks = at_least_float32(features, masks)
    padded = _pad(features, kernel_size, group_size)
    weights = _by_source(masks, group_size, scale_factor)
    target = _by_source(output, group_size, scale_factor)
    total = torch.zeros(target.shape, dtype=masks.dtype, device=masks.device)
    # one neighbour at a time: all of them at once are kernel ** 2 copies of the features
    for i, neighbour in enumerate(_windows(padded, kernel_size)):
        total.addcmul_(weights[:, :, i, None], neighbour[:, :, :, None, None])
    target.copy_(total)


def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill bottom_grad (N, C, H, W), the features' gradient, and mask_grad, the masks'."""
    top_grad, features, masks = at_least_float32(top_grad, rfeatures, masks)
    top_grad = _by_source(top_grad, group_size, scale_factor).flatten(3, 4)
    weights = _by_source(masks, group_size, scale_factor).flatten(3, 4)
    weights_grad = _by_source(mask_grad, group_size, scale_factor)
    padded = _pad(features, kernel_size, group_size)
    padded_grad = torch.zeros_like(padded)
    windows = zip(_windows(padded, kernel_size), _windows(padded_grad, kernel_size))
    for i, (neighbour, neighbour_grad) in enumerate(windows):
        products = (top_grad * neighbour[:, :, :, None]).sum(2)
        weights_grad[:, :, i] = products.unflatten(2, (scale_factor, scale_factor))
        # in place: it spares the products of the size of top_grad
        for j in range(scale_factor**2):
            neighbour_grad.addcmul_(top_grad[:, :, :, j], weights[:, :, i, j, None])
    border = kernel_size // 2
    h, w = bottom_grad.shape[2:]
    bottom_grad.copy_(padded_grad.flatten(1, 2)[..., border : border + h, border : border + w])


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """mmcv's ``carafe_naive``: the same, without the copies."""
    geometry = (kernel_size, group_size, scale_factor)
    carafe_forward(features, masks, torch.empty_like(features), output, masks, output, *geometry)


def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """:func:`carafe_backward` without the copies."""
    geometry = (kernel_size, group_size, scale_factor)
    copies = (top_grad,) * 4  # not looked at
    carafe_backward(top_grad, features, masks, *copies, bottom_grad, mask_grad, *geometry)


def _by_source(x: Tensor, groups: int, scale: int) -> Tensor:
    """(N, C, H * scale, W * scale) as (N, groups, C / groups, scale, scale, H, W), a view."""
    x = x.unflatten(3, (-1, scale)).unflatten(2, (-1, scale)).unflatten(1, (groups, -1))
    return x.permute(0, 1, 2, 4, 6, 3, 5)


def _pad(features: Tensor, kernel: int, groups: int) -> Tensor:
    """(N, groups, C / groups, H + kernel - 1, W + kernel - 1): zeros around the map."""
    return F.pad(features, [kernel // 2] * 4).unflatten(1, (groups, -1))


def _windows(padded: Tensor, kernel: int) -> Iterator[Tensor]:
    """The neighbours of all pixels, one (..., H, W) view after the other, row by row."""
    h, w = (size - kernel + 1 for size in padded.shape[-2:])
    for y in range(kernel):
        for x in range(kernel):
            yield padded[..., y : y + h, x : x + w]
