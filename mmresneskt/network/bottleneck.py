"""The ResNeSkt block: 1x1, grouped 3x3 with both attentions, 1x1, plus a shortcut."""

from __future__ import annotations

from collections.abc import Sequence

import torch.utils.checkpoint
from mmcv.cnn import build_conv_layer, build_norm_layer, build_plugin_layer
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from .average_pool import AvgPool2d
from .fast import FastAuthorSpatialKernelAttention, FastSpatialKernelAttention
from .split_attention import SplitAttentionConv2d

EXPANSION = 4
PLUGIN_POSITIONS = ("after_conv1", "after_conv2", "after_conv3")
SPATIAL_ATTENTIONS = {
    "paper": FastSpatialKernelAttention,
    "author": FastAuthorSpatialKernelAttention,
}


class Bottleneck(nn.Module):
    """One residual block. Attribute names are those of the published ResNeSt weights.

    Args:
        in_channels: channels of the input.
        planes: a quarter of the output's channels.
        width: channels of the 3x3 convolution's input and of V.
        stride, dilation: of the block.
        style: "pytorch" puts the stride beside the 3x3, "caffe" on the first 1x1.
        avg_down_stride: an average pooling carries the 3x3's stride.
        avd_first: that pooling stands before the 3x3 ("fast"), not after the attentions.
        avg_down: the shortcut downsamples by pooling, not by a strided 1x1.
        split_attention: arguments of :class:`SplitAttentionConv2d`.
        spatial_attention: ``form``, a key of :data:`SPATIAL_ATTENTIONS`, and arguments of
            :class:`SpatialKernelAttention`; None leaves it out.
        dcn: mmcv's deformable convolution in place of the 3x3.
        plugins: mmcv plugins, each with a ``position`` in :data:`PLUGIN_POSITIONS`.
        drop_path_rate: probability of dropping the residual branch of a sample.
        with_cp: recompute the block in the backward pass instead of storing it.
    """

    def __init__(
        self,
        in_channels: int,
        planes: int,
        width: int,
        *,
        stride: int,
        dilation: int,
        style: str,
        avg_down_stride: bool,
        avd_first: bool,
        avg_down: bool,
        split_attention: dict,
        spatial_attention: dict | None,
        conv_cfg: dict | None,
        norm_cfg: dict,
        dcn: dict | None,
        plugins: Sequence[dict],
        drop_path_rate: float,
        with_cp: bool,
    ) -> None:
        super().__init__()
        out_channels = planes * EXPANSION
        self.with_cp = with_cp
        self.avd_first = avd_first
        conv1_stride, conv2_stride = (1, stride) if style == "pytorch" else (stride, 1)

        self.conv1 = build_conv_layer(
            conv_cfg, in_channels, width, 1, stride=conv1_stride, bias=False
        )
        self.bn1 = build_norm_layer(norm_cfg, width)[1]
        self.avd_layer = None
        if avg_down_stride and conv2_stride > 1:
            self.avd_layer = AvgPool2d(3, conv2_stride, padding=1)
            conv2_stride = 1
        self.conv2 = SplitAttentionConv2d(
            width,
            width,
            stride=conv2_stride,
            dilation=dilation,
            conv_cfg=self._conv2_cfg(conv_cfg, dcn, stride),
            norm_cfg=norm_cfg,
            **split_attention,
        )
        self.spatial_attention = None
        if spatial_attention is not None:
            arguments = dict(spatial_attention)
            form = SPATIAL_ATTENTIONS[arguments.pop("form")]
            # in place: nothing else in the block needs V
            self.spatial_attention = form(width, norm_cfg=norm_cfg, inplace=True, **arguments)
        self.conv3 = build_conv_layer(conv_cfg, width, out_channels, 1, bias=False)
        self.bn3 = build_norm_layer(norm_cfg, out_channels)[1]
        self.relu = nn.ReLU(inplace=True)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = self._shortcut(
                in_channels, out_channels, stride, avg_down, conv_cfg, norm_cfg
            )
        self._add_plugins(plugins, dict(zip(PLUGIN_POSITIONS, (width, width, out_channels))))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, 4*planes, ceil(H/stride), ceil(W/stride))."""
        if self.with_cp and x.requires_grad:
            out = torch.utils.checkpoint.checkpoint(self._sum, x, use_reentrant=False)
        else:
            out = self._sum(x)
        return self.relu(out)

    def _sum(self, x: Tensor) -> Tensor:
        out = self._plug("after_conv1", self.relu(self.bn1(self.conv1(x))))
        if self.avd_layer is not None and self.avd_first:
            out = self.avd_layer(out)
        out = self.conv2(out)
        if self.spatial_attention is not None:
            out = self.spatial_attention(out)
        if self.avd_layer is not None and not self.avd_first:
            out = self.avd_layer(out)
        out = self.bn3(self.conv3(self._plug("after_conv2", out)))
        out = self.drop_path(self._plug("after_conv3", out))
        out += x if self.downsample is None else self.downsample(x)
        return out

    @staticmethod
    def _conv2_cfg(conv_cfg: dict | None, dcn: dict | None, stride: int) -> dict | None:
        if dcn is None:
            return conv_cfg
        import mmcv.ops  # noqa: F401 (registers the deformable convolutions)

        dcn = dict(dcn)
        fallback_on_stride = dcn.pop("fallback_on_stride", False)
        return conv_cfg if fallback_on_stride and stride > 1 else dcn

    @staticmethod
    def _shortcut(
        in_channels: int,
        out_channels: int,
        stride: int,
        avg_down: bool,
        conv_cfg: dict | None,
        norm_cfg: dict,
    ) -> nn.Sequential:
        """Numbered like the published weights: with ``avg_down`` 1 and 2 hold parameters."""
        layers: list[nn.Module] = []
        if avg_down:
            # ceil_mode, so that an odd size gives ceil(n/2) as the residual branch does
            layers.append(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
                if stride > 1
                else nn.Identity()
            )
            stride = 1
        layers.append(
            build_conv_layer(conv_cfg, in_channels, out_channels, 1, stride=stride, bias=False)
        )
        layers.append(build_norm_layer(norm_cfg, out_channels)[1])
        return nn.Sequential(*layers)

    def _add_plugins(self, plugins: Sequence[dict], channels: dict[str, int]) -> None:
        self._plugin_names: dict[str, list[str]] = {p: [] for p in PLUGIN_POSITIONS}
        for plugin in plugins:
            position = plugin["position"]
            cfg = dict(plugin["cfg"])
            postfix = cfg.pop("postfix", "")
            name, layer = build_plugin_layer(cfg, postfix=postfix, in_channels=channels[position])
            if hasattr(self, name):
                raise ValueError(f"plugins: {name} stands twice in a block: give each a postfix")
            self.add_module(name, layer)
            self._plugin_names[position].append(name)

    def plugin_names(self) -> list[str]:
        """Attribute names of the plugins."""
        return [name for names in self._plugin_names.values() for name in names]

    def _plug(self, position: str, x: Tensor) -> Tensor:
        for name in self._plugin_names[position]:
            x = getattr(self, name)(x)
        return x
