"""The networks beside ResNeSkt in Tables 1 and 2 and in the benchmark, each said once.

Every one is a backbone for MMPretrain: its own, ours, or timm's through its wrapper.
"""

from __future__ import annotations

from mmengine.config import Config, ConfigDict
from torch import nn

from mmresneskt.network.swap.backbones import BACKBONES
from mmresneskt.runtime.building import build


def _swappable(name: str, **changes: object) -> dict:
    return {**BACKBONES[name].settings_in("mmpretrain"), "out_indices": (3,), **changes}


def _timm(name: str, **arguments: object) -> dict:
    return dict(type="TIMMBackbone", model_name=name, **arguments)


PEERS: dict[str, dict] = {
    "resnet50": _swappable("resnet50"),
    "resnet101": _swappable("resnet50", depth=101),
    "resnext50": _swappable("resnext50"),
    "resnext101": _swappable("resnext50", depth=101),
    # SEResNeXt 32x4d, whose sizes are those that the paper gives for SENet
    "senet50": _swappable("senet50"),
    "senet101": _swappable("senet50", depth=101),
    # MMPretrain has neither SKNet nor CBAM
    "sknet50": _timm("skresnext50_32x4d"),
    "sknet101": _timm("skresnext50_32x4d", layers=(3, 4, 23, 3)),
    "cbam_resnet50": _timm("resnet50", block_args=dict(attn_layer="cbam")),
    "cbam_resnet101": _timm("resnet101", block_args=dict(attn_layer="cbam")),
    # the "fast" form, whose sizes are the paper's; MMPretrain's pools after the 3x3
    "resnest50": _swappable("resnest50"),
    "resnest101": _swappable("resnest50", depth=101),
}
"""Backbones of Table 2 by the names of its rows."""

TIMED: dict[str, dict] = {
    "resneskt50": _swappable("resneskt50"),
    "resneskt50_author": _swappable("resneskt50", spatial_attention="author"),
    "resneskt50_off": PEERS["resnest50"],
    "resneskt50_avd_last": _swappable("resneskt50", avd_first=False),
    "resneskt50_avd_last_off": _swappable("resnest50", avd_first=False),
    "mmpretrain_resnest50": dict(type="ResNeSt", depth=50, out_indices=(3,)),
    "mmpretrain_resnet50": PEERS["resnet50"],
    "mmpretrain_convnext_tiny": dict(type="ConvNeXt", arch="tiny", out_indices=(3,)),
    "timm_resnest50d": _timm("resnest50d"),
    "timm_skresnext50_32x4d": PEERS["sknet50"],
}
"""Backbones of the benchmark. ``_author``: with his spatial attention, all else the same.
``_off``: with ``spatial_attention=False``, ResNeSt-fast.
``_avd_last``: pooled after the 3x3 as in the ResNeSt of MMPretrain and timm, which is
``resneskt50_avd_last_off``."""


def build_timed(name: str) -> nn.Module:
    """A backbone of :data:`TIMED`, (N, 3, H, W) -> ((N, 2048, H/32, W/32),), with random weights.

    Raises:
        KeyError: an unknown name, or its library is not installed.
    """
    return build(Config(dict(default_scope="mmpretrain")), ConfigDict(TIMED[name]))
