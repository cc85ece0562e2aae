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

from ..building import build_model, find_class, quiet, scope_of
from ..config.keywords import value_of
from ..config.maps import maps_of
from ..config.tree import nodes
from ..errors import explain
from .files import checkpoints, local_file
from .findings import Finding, error, note, warning

_SHOWN = 3


def wrong_channels(cfg: Config) -> Iterator[Finding]:
    """Necks, and heads behind a global pooling, that expect other maps than come."""
    for key, holder in nodes(cfg.get("model"), "model"):
        backbone, neck, head = (holder.get(name) for name in ("backbone", "neck", "head"))
        if not isinstance(backbone, dict) or not isinstance(neck, dict) or "type" not in backbone:
            continue
        pooled = neck.get("type") == "GlobalAveragePooling" and isinstance(head, dict)
        where, part = (f"{key}.head", head) if pooled else (f"{key}.neck", neck)
        expected = part.get("in_channels")
        kinds: tuple = (int,) if pooled else (list, tuple)
        if not isinstance(expected, kinds):
            continue
        channels = _channels(cfg, backbone)
        fitting = (channels[-1:],) if pooled else (channels, channels[::-1])
        if channels and ([expected] if pooled else list(expected)) not in fitting:
            indices = value_of(backbone, "out_indices", find_class(cfg, backbone["type"]))
            yield error(
                f"{where}.in_channels",
                f"{where}.in_channels={expected} does not match the backbone, whose "
                f"{key}.backbone.out_indices={indices} give {channels}",
            )


def frozen_without_weights(cfg: Config, model: nn.Module) -> Iterator[Finding]:
    """Stages that stay as they were drawn: nothing is loaded into them, nothing trains them."""
    if cfg.get("load_from") or cfg.get("resume"):
        return
    model.train()  # where stages are frozen
    frozen = [f"model.{name}." for name, p in model.named_parameters() if not p.requires_grad]
    loads = [key.partition(".init_cfg")[0] for key, *_ in checkpoints(cfg)]
    for key, backbone in nodes(cfg.get("model"), "model"):
        loaded = any(key == load or "backbone" not in load for load in loads)
        # MoCo's keeps its first layer as drawn
        if not key.endswith("backbone") or loaded or backbone.get("type") == "MoCoV3ViT":
            continue
        stages = backbone.get("frozen_stages")
        is_frozen = any(name.startswith(f"{key}.") for name in frozen)
        if is_frozen and stages is not None and not backbone.get("pretrained"):
            yield warning(
                f"{key}.frozen_stages",
                f"frozen_stages={stages} freezes layers that no weights are loaded into: give "
                f"{key}.init_cfg or load_from, or set frozen_stages=-1",
            )


def unmatched_weights(cfg: Config, model: nn.Module) -> Iterator[Finding]:
    """How much of the weights in local files finds its place.

    Args:
        model: of the config; its weights are not looked at, and may be on "meta".
    """
    for key, checkpoint, init_cfg in checkpoints(cfg):
        file = local_file(checkpoint)
        if file is None or not file.is_file():
            continue
        part_key = re.sub(r"\.init_cfg(\.\d+)?\.checkpoint$", "", key)
        if init_cfg is None:
            yield _compared(key, checkpoint, model, "")
        elif init_cfg.get("type") != "Pretrained":
            yield _loaded(cfg, key, init_cfg, dict(nodes(cfg))[part_key])
        else:
            try:
                part = model.get_submodule(part_key.partition(".")[2])
            except AttributeError:  # the model may name the part otherwise
                continue
            yield _compared(key, checkpoint, part, init_cfg.get("prefix") or "")


def _loaded(cfg: Config, key: str, init_cfg: ConfigDict, part: ConfigDict) -> Finding:
    """What becomes of a file that an initializer of its own reads, by letting it."""
    try:
        with scope_of(cfg), quiet(), torch.device("cpu"):
            module = build_model(cfg, ConfigDict({**part, "init_cfg": None}))
            WEIGHT_INITIALIZERS.build(copy.deepcopy(init_cfg))(module.to_empty(device="cpu"))
    except Exception as failure:
        return error(key, f"{init_cfg.checkpoint} does not fit: {explain(failure)}")
    return note(key, f"the weights of {init_cfg.checkpoint} fit")


def _compared(key: str, checkpoint: str, part: nn.Module, prefix: str) -> Finding:
    try:
        with quiet():
            loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    except Exception as failure:
        return error(key, explain(failure))
    given = loaded.get("state_dict", loaded.get("model", loaded))
    given = {re.sub(r"^module\.", "", str(name)): value for name, value in given.items()}
    if prefix:
        start = f"{prefix.rstrip('.')}."
        given = {k.removeprefix(start): v for k, v in given.items() if k.startswith(start)}
    own = {name: value.shape for name, value in part.state_dict().items()}
    own = {name: shape for name, shape in own.items() if not name.endswith("num_batches_tracked")}
    without = [n for n, shape in own.items() if getattr(given.get(n), "shape", None) != shape]
    fit = len(own) - len(without)
    if not fit:
        have = ", ".join(list(given)[:_SHOWN]) or "nothing"
        return error(key, f"none of the {len(own)} entries is in {checkpoint}, which has {have}")
    share = f"{fit} of {len(own)} entries ({fit / len(own):.0%}) are in {checkpoint}"
    if not without:
        return note(key, share)
    more = ", ..." if len(without) > _SHOWN else ""
    return warning(key, f"{share}; without: {', '.join(without[:_SHOWN])}{more}")


def _channels(cfg: Config, backbone: ConfigDict) -> list[int]:
    """Of the maps that come; none where that cannot be known."""
    for device in ("meta", "cpu"):  # some operators run on no "meta" tensor
        try:
            with quiet(), torch.device(device):
                channels = [found.channels for found in maps_of(cfg, copy.deepcopy(backbone))]
        except Exception:
            continue
        # some necks run a second backbone, and get the image for it
        return channels[1:] if backbone.get("output_img") else channels
    return []
