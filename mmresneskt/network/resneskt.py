"""ResNeSkt, the backbone: a ResNeSt whose blocks also attend over positions.

Luo and Cai, "Framework of Image Classification Algorithm Based on Deep Learning". Where
the paper is silent, the defaults are the readings that reproduce its Table 1; docs/reproduce.md
lists them and the arguments of the other readings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .bottleneck import EXPANSION, PLUGIN_POSITIONS, SPATIAL_ATTENTIONS, Bottleneck
from .stem import build_stem

DEPTHS: dict[int, tuple[int, int, int, int]] = {
    14: (1, 1, 1, 1),
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    200: (3, 24, 36, 3),
}
"""Blocks per stage."""

_BLOCKS_PER_DECAY_LAYER = {14: (1, 1), 26: (1, 1), 50: (2, 3), 101: (2, 3), 200: (4, 4)}


class ResNeSkt(BaseModule):
    """ResNeSkt for MMDetection and MMPretrain.

    Args:
        depth: a key of :data:`DEPTHS`.
        in_channels: channels of the image.
        stem_channels: channels after the stem.
        base_channels: planes of the first stage.
        num_stages, strides, dilations: stages used, and each one's first stride and
            its dilation.
        out_indices: stages whose maps ``forward`` returns, 0 to num_stages - 1.
        style: "pytorch" or "caffe", see :class:`Bottleneck`.
        deep_stem: three 3x3 convolutions instead of one 7x7.
        avg_down: pooled shortcut.
        frozen_stages: -1 freezes nothing, 0 the stem, k also stages 1 to k.
        norm_eval: keep every batch norm, the attentions' too, in eval mode.
        conv_cfg, norm_cfg: as in mmcv.
        with_cp: gradient checkpointing of every block.
        zero_init_residual: the last norm of every block starts at 0, unless pretrained
            weights are loaded.
        drop_path_rate: of the last block; the others grow to it linearly.
        dcn, stage_with_dcn: deformable 3x3 convolutions in the chosen stages.
        plugins: mmcv plugins, as in MMDetection's ResNet.
        radix, cardinality, base_width: R, K and the width of one group at planes = 64.
        reduction_factor, attention_groups: see :class:`SplitAttentionConv2d`.
        avg_down_stride: an average pooling carries the stride of the 3x3.
        avd_first: it stands before the 3x3, as in ResNeSt-"fast".
        spatial_attention: "paper" (or True), as the paper's text has it; "author", as its first
            author coded it (:class:`AuthorSpatialKernelAttention`); False leaves ResNeSt.
        spatial_groups: groups with a gate of their own; None means K.
        spatial_kernels, spatial_gate, spatial_share_kernels, gem_p, gem_trainable: see
            :class:`SpatialKernelAttention`; None takes those of the chosen form.
        init_cfg: as in mmengine; ``dict(type='ResNeStPretrained', checkpoint=...)``
            starts from ResNeSt weights.

    Raises:
        KeyError: an unknown depth.
        ValueError: another argument out of range; the message names it.
    """

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        style: str = "pytorch",
        deep_stem: bool = True,
        avg_down: bool = True,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict = dict(type="BN", requires_grad=True),  # noqa: B006 (only read)
        with_cp: bool = False,
        zero_init_residual: bool = True,
        drop_path_rate: float = 0.0,
        dcn: dict | None = None,
        stage_with_dcn: Sequence[bool] = (False, False, False, False),
        plugins: Sequence[dict] | None = None,
        radix: int = 2,
        cardinality: int = 1,
        base_width: int = 64,
        reduction_factor: int = 4,
        attention_groups: int | None = None,
        avg_down_stride: bool = True,
        avd_first: bool = True,
        spatial_attention: bool | str = "paper",
        spatial_groups: int | None = None,
        spatial_kernels: Sequence[int] | None = None,
        spatial_gate: str | None = None,
        spatial_share_kernels: bool = True,
        gem_p: float = 3.0,
        gem_trainable: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = [
                dict(type="Kaiming", layer="Conv2d"),
                dict(type="Constant", val=1, layer=["_BatchNorm", "GroupNorm"]),
            ]
        super().__init__(init_cfg)
        if depth not in DEPTHS:
            raise KeyError(f"depth={depth!r} is not allowed: choose from {list(DEPTHS)}")
        _check_range("num_stages", num_stages, 1, 4)
        _check_range("frozen_stages", frozen_stages, -1, num_stages)
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f"drop_path_rate={drop_path_rate} is not allowed: 0 <= rate < 1")
        if base_channels * base_width % 64:
            raise ValueError(
                f"base_width={base_width} is not allowed: base_channels={base_channels} times it "
                f"must be a multiple of 64, for a whole number of channels in a group"
            )
        for name, value in (
            ("stem_channels", stem_channels),
            ("base_channels", base_channels),
            ("radix", radix),
            ("cardinality", cardinality),
            ("base_width", base_width),
            ("reduction_factor", reduction_factor),
        ):
            _check_range(name, value, 1, math.inf)
        for index in out_indices:
            _check_range("out_indices", index, 0, num_stages - 1)
        for name, per_stage in (
            ("strides", strides),
            ("dilations", dilations),
            ("stage_with_dcn", stage_with_dcn),
        ):
            if len(per_stage) < num_stages:
                raise ValueError(f"{name}={per_stage} is too short for num_stages={num_stages}")
        if style not in ("pytorch", "caffe"):
            raise ValueError(f"style={style!r} is not allowed: choose 'pytorch' or 'caffe'")

        self.depth = depth
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.zero_init_residual = zero_init_residual
        self.num_stages = num_stages
        self.stage_blocks = DEPTHS[depth][:num_stages]
        self.feat_dim = base_channels * 2 ** (num_stages - 1) * EXPANSION
        self.out_channels = [base_channels * 2**i * EXPANSION for i in self.out_indices]
        self.stem = build_stem(in_channels, stem_channels, deep_stem, conv_cfg, norm_cfg)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

        split = dict(
            cardinality=cardinality,
            radix=radix,
            reduction_factor=reduction_factor,
            attention_groups=attention_groups,
        )
        form = "paper" if spatial_attention is True else spatial_attention
        if form is not False and form not in SPATIAL_ATTENTIONS:
            raise ValueError(
                f"spatial_attention={spatial_attention!r} is not allowed: choose from "
                f"{[*SPATIAL_ATTENTIONS, False]}"
            )
        spatial = dict(
            form=form,
            groups=cardinality if spatial_groups is None else spatial_groups,
            kernels=spatial_kernels,
            gem_p=gem_p,
            gem_trainable=gem_trainable,
            gate=spatial_gate,
            share_kernels=spatial_share_kernels,
        )
        common: dict = dict(
            style=style,
            avg_down_stride=avg_down_stride,
            avd_first=avd_first,
            avg_down=avg_down,
            split_attention=split,
            spatial_attention=spatial if form else None,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            with_cp=with_cp,
        )
        last = max(sum(self.stage_blocks) - 1, 1)
        channels, number = stem_channels, 0
        for stage, blocks in enumerate(self.stage_blocks):
            planes = base_channels * 2**stage
            layers = []
            for index in range(blocks):
                layers.append(
                    Bottleneck(
                        channels,
                        planes,
                        planes * base_width // 64 * cardinality,
                        stride=strides[stage] if index == 0 else 1,
                        dilation=dilations[stage],
                        dcn=dcn if stage_with_dcn[stage] else None,
                        plugins=_plugins_of_stage(plugins or (), stage, num_stages),
                        drop_path_rate=drop_path_rate * number / last,
                        **common,
                    )
                )
                channels = planes * EXPANSION
                number += 1
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self._freeze_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> one map for each of ``out_indices``.

        With the default strides stage i (0 to 3) gives (N, 256 * 2**i, H / 2**(i+2),
        W / 2**(i+2)), each halving rounded up.
        """
        x = self.maxpool(self.stem(x))
        outs = []
        for index, stage in enumerate(self._stages()):
            x = stage(x)
            if index in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def init_weights(self) -> None:
        """Apply ``init_cfg``; without pretrained weights also ``zero_init_residual``.

        Deformable convolutions then start as plain ones: their offsets are produced by
        convolutions that ``init_cfg`` would have made random.
        """
        super().init_weights()
        cfgs = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg]
        if not any("Pretrained" in str(cfg["type"]) for cfg in cfgs):
            self._zero_init()

    def _zero_init(self) -> None:
        for module in self.modules():
            if hasattr(module, "conv_offset"):
                nn.init.zeros_(module.conv_offset.weight)
                nn.init.zeros_(module.conv_offset.bias)
            if self.zero_init_residual and isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)

    def train(self, mode: bool = True) -> ResNeSkt:
        """Set the mode, keep frozen stages (and with ``norm_eval`` all norms) in eval."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def get_layer_depth(self, param_name: str, prefix: str = "") -> tuple[int, int]:
        """MMPretrain's layer number of a parameter and the number of layers.

        Used by its layer-wise learning-rate decay; the groups of blocks are those of
        MMPretrain's ResNet.
        """
        per2, per3 = _BLOCKS_PER_DECAY_LAYER[self.depth]
        blocks = DEPTHS[self.depth]
        end2 = 2 + math.ceil(blocks[1] / per2)
        last = end2 + math.ceil(blocks[2] / per3)
        if not param_name.startswith(prefix):
            return last + 1, last + 2
        name = param_name[len(prefix) :]
        if not name.startswith("layer"):
            return 0, last + 2
        stage, block = int(name[5]), int(name.split(".")[1])
        layer = {1: 1, 2: 2 + block // per2, 3: end2 + block // per3, 4: last}[stage]
        return layer, last + 2

    def _stages(self) -> list[nn.Module]:
        return [getattr(self, f"layer{i + 1}") for i in range(len(self.stage_blocks))]

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        for module in (self.stem, *self._stages()[: self.frozen_stages]):
            module.eval()
            module.requires_grad_(False)


def _plugins_of_stage(plugins: Sequence[dict], stage: int, num_stages: int) -> list[dict]:
    chosen = []
    for plugin in plugins:
        if plugin["position"] not in PLUGIN_POSITIONS:
            raise ValueError(
                f"plugins: position={plugin['position']!r} is not allowed: "
                f"choose from {list(PLUGIN_POSITIONS)}"
            )
        stages = plugin.get("stages", (True,) * num_stages)
        if len(stages) != num_stages:
            raise ValueError(f"plugins: stages={stages} needs one value for each of {num_stages}")
        if stages[stage]:
            chosen.append(plugin)
    return chosen


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}={value} is not allowed: it must be from {low} to {high}")
