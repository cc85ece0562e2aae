"""mmcv's ``masked_conv2d``: a convolution at the positions that a mask chooses.

mmcv multiplies by the weights between the two functions, and has no backward.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fill col (C * kernel_h * kernel_w, K) with im (1, C, H, W) around the K positions."""
    # position 0 sees the rows from -pad_h on, and H - 1 those up to H - 1 - pad_h + kernel_h - 1
    padding = (pad_w, kernel_w - 1 - pad_w, pad_h, kernel_h - 1 - pad_h)
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(F.pad(im[0], padding)[:, rows, columns].view_as(col))


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write col (channels, K) to the K positions of im (1, channels, height, width)."""
    im[0][:, mask_h_idx, mask_w_idx] = col
