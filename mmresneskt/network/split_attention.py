"""Split attention over the radix: the channel part of ResNeSt and ResNeSkt.

Equations (1) to (3) of the ResNeSkt paper; Zhang et al., "ResNeSt: Split-Attention
Networks" (arXiv:2004.08955). Parameter names are those of the published ResNeSt
weights (``conv``, ``bn0``, ``fc1``, ``bn1``, ``fc2``).
"""

from __future__ import annotations

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn

from .vector_norm import build_vector_norm, normalize_vector


class SplitAttentionConv2d(nn.Module):
    """Grouped 3x3 convolution whose R splits are mixed by channel attention.

    Args:
        in_channels: channels of the input.
        channels: channels of the output, C.
        stride, dilation: of the 3x3 convolution; padding keeps the size at stride 1.
        cardinality: K, groups of feature maps.
        radix: R, splits of each group; the convolution has K*R groups and R*C outputs.
        reduction_factor: the attention's hidden width is in_channels * R / this, >= 32.
        attention_groups: groups of the attention's two dense layers; None means K.
        conv_cfg, norm_cfg: built with mmcv's ``build_conv_layer`` and
            ``build_norm_layer``. ``conv_cfg`` may be a deformable convolution.

    Raises:
        ValueError: naming the argument, if a group count does not divide its width.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        dilation: int = 1,
        cardinality: int = 1,
        radix: int = 2,
        reduction_factor: int = 4,
        attention_groups: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        norm_cfg = norm_cfg or dict(type="BN")
        hidden = max(in_channels * radix // reduction_factor, 32)
        groups = cardinality if attention_groups is None else attention_groups
        argument = "cardinality" if attention_groups is None else "attention_groups"
        for name, value, what, width in (
            ("cardinality * radix", cardinality * radix, "width", in_channels),
            (argument, groups, "width", channels),
            (argument, groups, "attention width", hidden),
        ):
            if value < 1 or width % value:
                raise ValueError(f"{name}={value} does not divide a block's {what} of {width}")
        self.channels = channels
        self.radix = radix
        self.groups = groups
        self.conv = build_conv_layer(
            conv_cfg,
            in_channels,
            channels * radix,
            3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            groups=cardinality * radix,
            bias=False,
        )
        self.bn0 = build_norm_layer(norm_cfg, channels * radix)[1]
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Conv2d(channels, hidden, 1, groups=groups)
        self.bn1 = build_vector_norm(norm_cfg, hidden)
        self.fc2 = nn.Conv2d(hidden, channels * radix, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> V (N, C, H', W')."""
        splits = self.relu(self.bn0(self.conv(x)))
        return radix_sum(splits, self.attention(splits))

    def attention(self, splits: Tensor) -> Tensor:
        """R splits (N, R*C, H, W) -> their weights (N, R, C, 1, 1), equation (3).

        The weights of one channel sum to 1 over R; with R = 1 they are sigmoids.
        """
        # The pooled sum of the splits is the sum of their pooled values: equation (1)
        # without the sum of whole feature maps.
        pooled = splits.mean((2, 3)).unflatten(1, (self.radix, -1)).sum(1)
        hidden = self.relu(normalize_vector(self.bn1, self.fc1(pooled[..., None, None])))
        logits = self.fc2(hidden).view(-1, self.groups, self.radix, self.channels // self.groups)
        weights = logits.softmax(2) if self.radix > 1 else logits.sigmoid()
        return weights.transpose(1, 2).reshape(-1, self.radix, self.channels, 1, 1)


def radix_sum(splits: Tensor, weights: Tensor) -> Tensor:
    """Splits (N, R*C, H, W), weights (N, R, C, 1, 1) -> their weighted sum V (N, C, H, W).

    In the splits' type, which half-precision weights keep: V lies between the splits. Written as
    one sum that grows, it never holds the products of all splits at once.
    """
    first_weight, *other_weights = weights.to(splits.dtype).unbind(1)
    first, *others = splits.chunk(1 + len(other_weights), dim=1)
    v = first * first_weight
    for split, weight in zip(others, other_weights):
        v = v.addcmul_(split, weight)
    return v
