"""The backbones that can be asked for by name: Table 3's, with their public weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmresneskt.runtime.config.maps import Map  # which imports torch

_RESNEST50_FAST = (
    "https://github.com/zhanghang1989/ResNeSt/releases/download/weights_step1/"
    "resnest50_fast_2s1x64d-44938639.pth"
)
_SERESNEXT50 = (
    "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/"
    "seresnext50_32x4d_racm-a304a460.pth"
)


@dataclass(frozen=True)
class Backbone:
    """What a config needs to know of one backbone.

    The weights belong to the settings, and the image normalisation to the weights.
    """

    label: str
    settings: dict
    """Type and shape, as ``model.backbone`` has them."""
    weights: str
    """Public weights: a URL, or one of mmengine's short forms."""
    local_copy: str = ""
    """Environment variable that may name a local copy of them."""
    initializer: str = "Pretrained"
    """Type of the ``init_cfg`` that loads them."""
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    """Of RGB images with values from 0 to 255."""
    whole: bool = True
    """The weights fill the backbone: nothing in it has yet to be learnt."""
    imports: tuple[str, ...] = ()
    """Modules that register the type, beyond the config's own library."""
    with_weights: dict = field(default_factory=dict)
    """Settings that loaded weights need."""
    maps: tuple[Map, ...] = ()
    """All that it can put out, where that is known without running it."""
    by_library: dict[str, dict] = field(default_factory=dict)
    """Settings that go by another name in the one library or the other."""

    def settings_in(self, library: str | None) -> dict:
        """The settings as a library's configs have them."""
        return {**self.settings, **self.by_library.get(library or "", {})}


_RESNEST: dict = dict(
    initializer="ResNeStPretrained",
    mean=(123.68, 116.779, 103.939),
    std=(58.393, 57.12, 57.375),
    imports=("mmresneskt",),
)
# "fast" weights are published for 50 layers only; those of 101 pool after the 3x3
_FIFTY = dict(type="ResNeSkt", depth=50)
_FAST: dict = dict(**_RESNEST, local_copy="RESNEST50_FAST")
_HUNDRED_AND_ONE = dict(type="ResNeSkt", depth=101, stem_channels=128, avd_first=False)

BACKBONES: dict[str, Backbone] = {
    "resnet50": Backbone("ResNet-50", dict(type="ResNet", depth=50), "torchvision://resnet50"),
    "resnext50": Backbone(
        "ResNeXt-50",
        dict(type="ResNeXt", depth=50, groups=32),
        "open-mmlab://resnext50_32x4d",
        by_library=dict(mmdet=dict(base_width=4), mmpretrain=dict(width_per_group=4)),
    ),
    "senet50": Backbone(
        "SENet-50",
        dict(type="mmpretrain.SEResNeXt", depth=50, groups=32, width_per_group=4),
        _SERESNEXT50,
        initializer="TimmSEPretrained",
        imports=("mmresneskt", "mmpretrain.models"),
        # else MMPretrain zeroes norms after every initializer but its own Pretrained
        with_weights=dict(zero_init_residual=False),
    ),
    "resnest50": Backbone(
        "ResNeSt-50", dict(**_FIFTY, spatial_attention=False), _RESNEST50_FAST, **_FAST
    ),
    "resneskt50": Backbone("ResNeSkt-50", _FIFTY, _RESNEST50_FAST, **_FAST, whole=False),
    # ResNeSt's weights of 50 layers pool before the 3x3, his network after the attentions
    "resneskt50_author": Backbone(
        "ResNeSkt-50, author",
        dict(**_FIFTY, spatial_attention="author"),
        _RESNEST50_FAST,
        **_FAST,
        whole=False,
    ),
    "resnest101": Backbone(
        "ResNeSt-101",
        dict(**_HUNDRED_AND_ONE, spatial_attention=False),
        "open-mmlab://resnest101",
        **_RESNEST,
    ),
    "resneskt101": Backbone(
        "ResNeSkt-101", _HUNDRED_AND_ONE, "open-mmlab://resnest101", **_RESNEST, whole=False
    ),
}
