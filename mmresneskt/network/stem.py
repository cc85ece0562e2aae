"""The stem: the paper's conv1, three 3x3 convolutions by default."""

from __future__ import annotations

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import nn


def build_stem(
    in_channels: int, channels: int, deep: bool, conv_cfg: dict | None, norm_cfg: dict
) -> nn.Sequential:
    """Convolutions to (N, channels, H/2, W/2), numbered as in MMDetection's ResNeSt."""
    if deep:
        half = channels // 2
        plan = [(in_channels, half, 3, 2), (half, half, 3, 1), (half, channels, 3, 1)]
    else:
        plan = [(in_channels, channels, 7, 2)]
    layers: list[nn.Module] = []
    for before, after, kernel, stride in plan:
        layers += [
            build_conv_layer(
                conv_cfg, before, after, kernel, stride=stride, padding=kernel // 2, bias=False
            ),
            build_norm_layer(norm_cfg, after)[1],
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
