"""Do backbone and neck, and the weights to start from, fit each other?"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import nn

from ..building import find_class, scope_of
from ..config.keywords import value_of
from ..config.maps import maps_of
from ..config.tree import nodes
from ..errors import explain
from .build import build_model, quiet
from .files import initializers, local_file
from .findings import Finding, error, note, warning

_SHOWN = 3


def wrong_channels(cfg: Config) -> Iterator[Finding]:
    """Necks, and heads behind a global pooling, that expect other maps than come."""
    for key, holder in nodes(cfg.get("model"), "model"):
        backbone, neck = holder.get("backbone"), holder.get("neck")
        if not isinstance(backbone, dict) or not isinstance(neck, dict) or "type" not in backbone:
            continue
        expected, head = neck.get("in_channels"), holder.get("head") or {}
        pooled = neck.get("type") == "GlobalAveragePooling" and isinstance(head, dict)
        pooled = pooled and isinstance(head.get("in_channels"), int)
        if not pooled and not isinstance(expected, (list, tuple)):
            continue
        channels = _channels(cfg, backbone)
        if channels is None:
            continue
        indices = value_of(backbone, "out_indices", find_class(cfg, backbone.type))
        gives = f"does not match the backbone, whose {key}.backbone.out_indices={indices} give "
        gives += str(channels)
        if pooled and head.in_channels != channels[-1]:
            yield error(where := f"{key}.head.in_channels", f"{where}={head.in_channels} {gives}")
        elif not pooled and list(expected) not in (channels, channels[::-1]):
            yield error(where := f"{key}.neck.in_channels", f"{where}={list(expected)} {gives}")


def frozen_without_weights(cfg: Config, model: nn.Module) -> Iterator[Finding]:
    """Stages that stay as they were drawn: nothing is loaded into them, nothing trains them."""
    model.train()  # where stages are frozen
    names = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    loads = [key for key, _ in initializers(cfg)]
    if cfg.get("load_from") or cfg.get("resume"):
        return
    for key, backbone in nodes(cfg.get("model"), "model"):
        if not key.endswith("backbone") or any(
            key == load.partition(".init_cfg")[0] or "backbone" not in load for load in loads
        ):
            continue
        if str(backbone.get("type")).endswith("MoCoV3ViT"):  # keeps its first layer as drawn
            continue
        frozen = backbone.get("frozen_stages")
        is_frozen = any(f"model.{name}".startswith(f"{key}.") for name in names)
        if is_frozen and frozen is not None and not backbone.get("pretrained"):
            yield warning(
                f"{key}.frozen_stages",
                f"frozen_stages={frozen} freezes layers that no weights are loaded into: give "
                f"{key}.init_cfg or load_from, or set frozen_stages=-1",
            )


def unmatched_weights(cfg: Config, model: nn.Module) -> Iterator[Finding]:
    """How much of the weights in local files finds its place.

    Args:
        model: of the config; its weights are not looked at, and may be on "meta".
    """
    for key, init_cfg in initializers(cfg):
        file = local_file(init_cfg.checkpoint)
        if file is not None and file.is_file():
            part_key = re.sub(r"\.init_cfg(\.\d+)?$", "", key)
            yield from _loaded(cfg, f"{key}.checkpoint", init_cfg, part_key, model)
    file = local_file(cfg.load_from) if isinstance(cfg.get("load_from"), str) else None
    if file is not None and file.is_file():
        yield from _compared("load_from", cfg.load_from, model, "")


def _loaded(
    cfg: Config, key: str, init_cfg: ConfigDict, part_key: str, model: nn.Module
) -> Iterator[Finding]:
    if init_cfg.get("type") == "Pretrained":
        try:
            part = model.get_submodule(part_key.partition(".")[2])
        except AttributeError:  # the config's name of the part is not the model's
            return
        yield from _compared(key, init_cfg.checkpoint, part, init_cfg.get("prefix") or "")
        return
    node = dict(nodes(cfg))[part_key]
    try:
        with scope_of(cfg), quiet():
            part = _with_memory(cfg, node)
            WEIGHT_INITIALIZERS.build(copy.deepcopy(init_cfg))(part)
    except Exception as failure:
        yield error(key, f"{init_cfg.checkpoint} does not fit: {explain(failure)}")
    else:
        yield note(key, f"the weights of {init_cfg.checkpoint} fit")


def _with_memory(cfg: Config, node: ConfigDict) -> nn.Module:
    with torch.device("cpu"):
        return build_model(cfg, ConfigDict({**node, "init_cfg": None})).to_empty(device="cpu")


def _compared(key: str, checkpoint: str, part: nn.Module, prefix: str) -> Iterator[Finding]:
    try:
        with quiet():
            loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    except Exception as failure:
        yield error(key, explain(failure))
        return
    given = loaded.get("state_dict", loaded.get("model", loaded))
    given = {re.sub(r"^module\.", "", str(k)): v for k, v in given.items()}
    if prefix:
        prefix = f"{prefix.rstrip('.')}."
        given = {k[len(prefix) :]: v for k, v in given.items() if k.startswith(prefix)}
    own = {
        name: value.shape
        for name, value in part.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    fit = [name for name, shape in own.items() if getattr(given.get(name), "shape", None) == shape]
    without = [name for name in own if name not in fit]
    share = f"{len(fit)} of {len(own)} entries ({len(fit) / max(len(own), 1):.0%}) are in "
    share += checkpoint
    if not fit:
        have = ", ".join(list(given)[:_SHOWN]) or "nothing"
        yield error(key, f"none of the {len(own)} entries is in {checkpoint}, which has {have}")
    elif without:
        shown = ", ".join(without[:_SHOWN]) + (", ..." if len(without) > _SHOWN else "")
        yield warning(key, f"{share}; without: {shown}")
    else:
        yield note(key, share)


def _channels(cfg: Config, backbone: ConfigDict) -> list[int] | None:
    """Of the maps that come; None where that cannot be known."""
    for device in ("meta", "cpu"):  # some operators run on no "meta" tensor
        try:
            with quiet(), torch.device(device):
                channels = [found.channels for found in maps_of(cfg, copy.deepcopy(backbone))]
        except Exception:
            continue
        # some necks run a second backbone, and get the image for it
        return channels[1:] if backbone.get("output_img") else channels
    return None
