"""The networks compared: each a backbone (N, 3, H, W) -> its last map (N, 2048, H/32, W/32)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmresneskt.network.resneskt import ResNeSkt


class _LastMap(nn.Module):
    """Of an MM backbone, which returns a map for each stage asked for."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(x)[-1]


def _resneskt(**arguments: object) -> nn.Module:
    return _LastMap(ResNeSkt(**{"depth": 50, "out_indices": (3,), **arguments}))


def _mmpretrain(name: str) -> nn.Module:
    from mmpretrain.models import backbones

    return _LastMap(getattr(backbones, name)(depth=50, out_indices=(3,)))


def _timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=0, global_pool="")


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resneskt50": _resneskt,
    "resneskt50_off": lambda: _resneskt(spatial_attention=False),
    "resneskt50_avd_last": lambda: _resneskt(avd_first=False),
    "resneskt50_avd_last_off": lambda: _resneskt(avd_first=False, spatial_attention=False),
    "mmpretrain_resnest50": lambda: _mmpretrain("ResNeSt"),
    "mmpretrain_resnet50": lambda: _mmpretrain("ResNet"),
    "timm_resnest50d": lambda: _timm("resnest50d"),
    "timm_skresnext50_32x4d": lambda: _timm("skresnext50_32x4d"),
}
"""By name. ``_off``: with ``spatial_attention=False``, ResNeSt-fast. ``_avd_last``: pooled after
the 3x3 as in the ResNeSt of MMPretrain and timm, which is ``resneskt50_avd_last_off``."""


def build_network(name: str, **arguments: object) -> nn.Module:
    """A network of :data:`NETWORKS` with random weights, or ``ResNeSkt(**arguments)``.

    Raises:
        KeyError: an unknown name.
        ImportError: its library is not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _resneskt(**arguments) if arguments else NETWORKS[name]()
