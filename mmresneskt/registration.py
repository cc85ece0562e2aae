"""Importing this module makes the package known to the installed MM libraries."""

from __future__ import annotations

import os

from .runtime import enable
from .runtime.environment import optional, require

require("mmengine", "mmcv")

from mmengine.registry import MODELS, Registry  # noqa: E402

from .network.deploy import deploy  # noqa: E402
from .network.pretrained import LoadReport, author_state_dict, load_resnest  # noqa: E402
from .network.pretrained_se import TimmSEPretrained  # noqa: E402
from .network.resneskt import ResNeSkt  # noqa: E402
from .network.swap.swap_backbone import swap_backbone  # noqa: E402
from .network.timm_features import TimmFeatures  # noqa: E402
from .network.timm_import import register_with_timm  # noqa: E402

__all__ = [
    "LoadReport",
    "ResNeSkt",
    "TimmSEPretrained",
    "author_state_dict",
    "deploy",
    "load_resnest",
    "register_backbone",
    "swap_backbone",
]


def register_backbone(backbone: type) -> tuple[str, ...]:
    """Register ``backbone`` in the root registry, which all MM libraries look in last.

    MMDetection and MMPretrain have it in registries of their own too, where alone they look for
    ``mmdet.ResNeSkt`` and ``mmpretrain.ResNeSkt``; the ones that are installed are returned. A
    second import of this package replaces its own earlier registration.

    Raises:
        KeyError: another package has registered the name.
    """
    _register(backbone, MODELS)
    done = []
    for library in ("mmdet", "mmpretrain"):
        registry = optional(library, "registry")
        if registry is not None:
            _register(backbone, registry.MODELS)
            done.append(library)
    return tuple(done)


def _register(backbone: type, models: Registry) -> None:
    existing = models.module_dict.get(backbone.__name__)
    ours = existing is not None and existing.__module__ == backbone.__module__
    models.register_module(module=backbone, force=ours)


if os.environ.get("MMRESNESKT_ENABLE", "1") != "0":
    enable()
register_backbone(ResNeSkt)
register_backbone(TimmFeatures)
register_with_timm()
