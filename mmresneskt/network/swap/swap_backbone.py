"""One backbone of a config replaced by another, with everything that goes with it."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence

from mmengine.config import Config, ConfigDict

from mmresneskt.runtime.building import find_class
from mmresneskt.runtime.config.keywords import some_keywords, value_of
from mmresneskt.runtime.config.maps import Map, maps_of

from .backbones import Backbone
from .channels import set_channels, start_at_first
from .find import find_backbone, split_name
from .optimizer import set_optimizer
from .refusals import refuse

_KEPT = ("in_channels", "with_cp", "zero_init_residual")
# kept between networks of ResNet's four stages
_KEPT_OF_STAGES = ("num_stages", "strides", "dilations", "dcn", "stage_with_dcn", "plugins")


def swap_backbone(cfg: Config, name: str) -> Config:
    """A copy of a config of MMDetection or MMPretrain with another backbone in it.

    The strides of the maps stay, and with them heads and anchors; the number of stages,
    dilation, deformable convolutions and plugins stay where the new backbone has them. Type, depth,
    weights, image normalisation, and the channels that the neck or the head expects become the
    new backbone's. Norms stay in eval mode and stages frozen, as far as the config has them so,
    only with weights, and stages only where these fill them. Weights of the whole model
    (``load_from``) are left out.

    A config of the new style comes back with names for its classes, as when it is dumped.

    Args:
        name: a key of :data:`BACKBONES` or ``timm:NAME``, which starts from its public weights;
            ``NAME:FILE_OR_URL`` from others, ``NAME:none`` from scratch.

    Raises:
        ValueError: an unknown name, or a model in which the swap makes no sense; says why.
    """
    name, given = split_name(name)
    new = find_backbone(name)
    public = os.environ.get(new.local_copy) or new.weights
    weights = {"": public, "none": None}.get(given, given)

    if weights == "":
        raise ValueError(f"there are no public weights of {name}: give a FILE, or {name}:none")

    cfg = copy.deepcopy(cfg)
    if not isinstance(_holder(cfg).backbone.type, str):
        cfg = _with_names(cfg)
    holder = _holder(cfg)
    refuse(holder)
    old_class = find_class(cfg, holder.backbone.type)
    if old_class is None:
        raise ValueError(f"model.backbone.type={holder.backbone.type!r} is not registered")
    before = maps_of(cfg, holder.backbone)

    _add_imports(cfg, new.imports)
    backbone = _settings(cfg, new, holder.backbone, old_class, weights)
    if new.maps:
        maps, indices = list(new.maps), None
        before = before[start_at_first(holder) :]
    else:
        stages = tuple(range(backbone.get("num_stages", 4)))
        maps = maps_of(cfg, ConfigDict({**backbone, "out_indices": stages}))
        indices = holder.backbone.get("out_indices")
    pooled = "GlobalAveragePooling" in str(holder.get("neck"))
    backbone.out_indices, after = _choose_maps(maps, before, indices, name, pooled)
    holder.backbone = backbone
    set_channels(holder, [m.channels for m in before], [m.channels for m in after])
    _set_normalisation(cfg, holder, new)
    _leave_out_weights_of_the_whole(cfg, holder)
    set_optimizer(cfg, backbone)
    return cfg


def _holder(cfg: Config) -> ConfigDict:
    """The part of the model that has the backbone: the model, or a tracker's detector."""
    model = cfg.get("model") or ConfigDict()
    for part in (model, model.get("detector") or ConfigDict()):
        if isinstance(part.get("backbone"), dict):
            return part
    raise ValueError("the config has neither model.backbone nor model.detector.backbone")


def _with_names(cfg: Config) -> Config:
    """A config of the new style (``read_base``), whose types are classes, as one of names.

    It has no scope, since classes need none; the new backbone is found by its library's.
    """
    plain = Config(cfg.to_dict())
    plain.default_scope = plain.get("default_scope") or plain.model.type.partition(".")[0]
    return plain


def _settings(
    cfg: Config, new: Backbone, old: ConfigDict, old_class: type, weights: str | None
) -> ConfigDict:
    had = some_keywords(old_class)
    names = _KEPT + (_KEPT_OF_STAGES if {"strides", "dilations"} <= had.keys() else ())
    wanted = {name: old[name] for name in names if name in old}

    norm = old.get("norm_cfg") or dict(type="BN")
    if weights:  # all public weights are a batch norm's
        norm = dict(type="SyncBN" if norm["type"] == "SyncBN" else "BN")
    elif "conv_cfg" in old:
        wanted["conv_cfg"] = old.conv_cfg
    wanted["norm_cfg"] = {**norm, "requires_grad": True}
    wanted["norm_cfg"].pop("eps", None)  # was that of the old weights; PyTorch refuses 0
    frozen = value_of(old, "frozen_stages", old_class) if weights else None
    frozen = -1 if frozen is None else frozen
    wanted["frozen_stages"] = frozen if new.whole else min(frozen, 0)
    wanted["norm_eval"] = bool(weights and value_of(old, "norm_eval", old_class))
    if weights:
        wanted["init_cfg"] = dict(type=new.initializer, checkpoint=weights)
        wanted.update(new.with_weights)

    try:
        new_class = find_class(cfg, new.settings["type"])
    except ImportError:
        new_class = None
    if new_class is None:
        raise ValueError(f"{new.label} needs {new.settings['type']}, which is not installed")
    accepted = some_keywords(new_class)
    kept = {name: value for name, value in wanted.items() if name in accepted}
    return ConfigDict({**new.settings_in(cfg.get("default_scope")), **kept})


def _choose_maps(
    maps: list[Map], before: list[Map], indices: Sequence | int | None, name: str, pooled: bool
) -> tuple[tuple[int, ...], list[Map]]:
    """The stages whose maps have the old ones' strides, and these maps.

    Where several stages have one stride, as after dilation, the old index decides, else the last.

    Args:
        pooled: a single map is averaged, which can then be finer.
    """
    stages = range(len(maps))
    old = [indices] if isinstance(indices, int) else list(indices or ())
    chosen = []
    for position, wanted in enumerate(before):
        fitting = [i for i in stages if maps[i].stride == wanted.stride]
        if not fitting and pooled and maps[-1].stride < wanted.stride:
            fitting = [stages[-1]]
        if not fitting:
            raise ValueError(
                f"the model wants maps of strides {[m.stride for m in before]}, and {name} has "
                f"{sorted({m.stride for m in maps})}"
            )
        same = position < len(old) and old[position] in fitting
        chosen.append(old[position] if same else fitting[-1])
    if len(set(chosen)) < len(chosen):
        raise ValueError(
            f"the model wants several maps of one stride, {[m.stride for m in before]}, as of "
            f"stacked networks; {name} has one of each"
        )
    if max(chosen) < stages[-1]:
        raise ValueError(
            f"the model's coarsest map has stride {before[-1].stride}, and {name} goes on to "
            f"{maps[-1].stride}: its last stages would stay unused, as in a model for small images"
        )
    return tuple(chosen), [maps[i] for i in chosen]


def _set_normalisation(cfg: Config, holder: ConfigDict, new: Backbone) -> None:
    for part in (cfg, cfg.model, holder):
        node = part.get("data_preprocessor")
        while node and node.get("data_preprocessor"):  # wrapped for several branches
            node = node.data_preprocessor
        if not node:
            continue
        classifies = cfg.get("default_scope") == "mmpretrain" or "to_rgb" in node
        node.mean, node.std = list(new.mean), list(new.std)
        node["to_rgb" if classifies else "bgr_to_rgb"] = True
        node.pop("rgb_to_bgr", None)


def _leave_out_weights_of_the_whole(cfg: Config, holder: ConfigDict) -> None:
    if cfg.get("load_from"):
        cfg.load_from = None
    for part in (cfg.model, holder):
        if part.get("pretrained"):  # the backbone's, of the old one
            part.pretrained = None
        initializer = part.get("init_cfg")
        if isinstance(initializer, dict) and initializer.get("type") == "Pretrained":
            del part["init_cfg"]


def _add_imports(cfg: Config, modules: tuple[str, ...]) -> None:
    given = cfg.get("custom_imports") or ConfigDict(imports=[])
    imports = [given.imports] if isinstance(given.imports, str) else list(given.imports)
    missing = [module for module in modules if module not in imports]
    if missing:
        cfg.custom_imports = ConfigDict({**given, "imports": [*imports, *missing]})
