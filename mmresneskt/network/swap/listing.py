"""The backbones that there are, and what is cheap to know of them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from mmengine.config import Config, ConfigDict
from torch import nn

from mmresneskt.runtime.building import build_model, find_class
from mmresneskt.runtime.complexity import complexity
from mmresneskt.runtime.environment import configs_of
from mmresneskt.runtime.errors import printable

from ..timm_features import timm_library
from .backbones import BACKBONES
from .timm_backbones import TIMM, plain_network

HEADER = ("name", "parameters (M)", "operations (G)", "of an image of", "strides of its maps")
_SIDE = 224
_MOST = 40
"""Networks of timm that are built for one listing."""
_LONGEST = 60
"""Letters of an error in a row."""


def rows(pattern: str = "*", timm: bool = False) -> tuple[list[list[object]], int]:
    """A row for each backbone whose name matches, and for how many no numbers were sought.

    Operations are multiply-accumulates for one image, of the size that the network is made for.

    Args:
        pattern: with ``*`` and ``?``; without them, a part of the name. With a dot it is of names
            with the tags of weights.
        timm: timm's networks too, as where the pattern starts with ``timm:``.

    Raises:
        ImportError: timm's are asked for, and it is not installed.
    """
    only_timm = pattern.startswith(TIMM)
    pattern = pattern.removeprefix(TIMM)
    pattern = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
    own = () if only_timm else BACKBONES
    found = [[name, *_own(name)] for name in own if fnmatchcase(name, pattern)]
    if not (timm or only_timm):
        return found, 0
    names = timm_library().list_models(pattern, include_tags="." in pattern)
    found += [[TIMM + name, *_of_timm(name)] for name in names[:_MOST]]
    found += [[TIMM + name, "", "", "", ""] for name in names[_MOST:]]
    return found, len(names[_MOST:])


def _own(name: str) -> list[object]:
    backbone = BACKBONES[name]
    for library in ("mmpretrain", "mmdet"):
        cfg = Config(dict(default_scope=library, custom_imports=dict(imports=[*backbone.imports])))
        settings = ConfigDict(out_indices=(0, 1, 2, 3), **backbone.settings_in(library))
        if configs_of(library) is not None and find_class(cfg, settings.type) is not None:
            return [*_counts(build_model(cfg, settings).to("meta"), _SIDE), "4, 8, 16, 32"]
    return ["", "", "", "needs MMPretrain"]


def _of_timm(name: str) -> list[object]:
    try:
        network = plain_network(name)
        strides = dict.fromkeys(network.feature_info.reduction())
        counts = _counts(network, max(network.pretrained_cfg["input_size"]))
    except Exception as error:  # whatever a network raises that puts out no maps
        return ["", "", "", printable(error)[:_LONGEST]]
    return [*counts, ", ".join(map(str, strides))]


def _counts(network: nn.Module, side: int) -> list[object]:
    found = complexity(network, side, side)
    return [found.params / 1e6, found.macs / 1e9, side]
