"""Start a ResNeSkt from ResNeSt weights, or from those of the author's own code.

No ResNeSkt weights are published. Its spatial attention starts as the identity, so that
ResNeSt's weights, which fill everything else, are a correct start. They circulate in
three key layouts; each is told apart by its stem and renamed to MMDetection's, which is
the backbone's own. The author's layout is the official one with his attention's entries.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from .author_attention import AuthorSpatialKernelAttention
from .bottleneck import Bottleneck
from .resneskt import ResNeSkt

_SHOWN = 5
_PREFIX = re.compile(r"^(?:module\.|backbone\.)+")
_OFFICIAL, _AUTHOR = "official or timm", "author's"
_ATTENTION, _AUTHORS_ATTENTION = ".spatial_attention.", ".conv2.sa_lxy."
_STEM = {
    _OFFICIAL: {
        **{f"conv1.{i}.": f"stem.{i}." for i in (0, 1, 3, 4, 6)},
        "bn1.": "stem.7.",
    },
    "MMDetection": {},
    "MMPretrain": {
        f"stem.{i}.{old}.": f"stem.{3 * i + new}."
        for i in range(3)
        for old, new in (("conv", 0), ("bn", 1))
    },
}


@dataclass(frozen=True)
class LoadReport:
    """What :func:`load_resnest` did."""

    layout: str
    """Source of the keys: "official or timm", "author's", "MMDetection" or "MMPretrain"."""
    matched: tuple[str, ...]
    """Entries of the backbone that were filled."""
    untouched: tuple[str, ...]
    """Entries left at their initialisation: with ``strict`` those ResNeSt does not have."""

    def __str__(self) -> str:
        return (
            f"ResNeSt weights ({self.layout} keys): {len(self.matched)} entries loaded, "
            f"{len(self.untouched)} left at their initialisation"
        )


def load_resnest(
    model: ResNeSkt,
    source: str | Path | Mapping[str, Tensor],
    map_location: str = "cpu",
    strict: bool = True,
) -> LoadReport:
    """Fill a ResNeSkt, all but its spatial attention, with ResNeSt weights.

    The weights of the author's own code fill it whole; ``spatial_attention`` is "author" then. His
    attention is never the identity; beside ResNeSt weights it starts as near to it as it can:
    :meth:`~.author_attention.AuthorSpatialKernelAttention.open_gates`.

    What else ResNeSt lacks, plugins and the offsets of deformable convolutions, is left
    at its initialisation too; entries of the file for any of these must fit like others.

    Args:
        model: a ResNeSkt.
        source: path or URL of a checkpoint, or a state dict, with keys of the official
            repository, the author's, timm, MMDetection or MMPretrain, with or without the prefixes
            ``module.`` and ``backbone.``. Keys of other parts of a model are passed over, and
            those of the last stages where the backbone is built without them.
        strict: raise when a key is missing, unknown or of another shape; otherwise load
            what fits and log the rest.

    Raises:
        ValueError: no ResNeSt keys, or with ``strict`` any mismatch; the message lists
            the first few.
    """
    given: Any = source
    if not isinstance(source, Mapping):
        given = CheckpointLoader.load_checkpoint(str(source), map_location)
    state, layout = _rename(_backbone_part(given))
    target = model.state_dict()
    extra = _beyond_resnest(model)
    if layout == _AUTHOR:
        extra = tuple(prefix for prefix in extra if not prefix.endswith(_ATTENTION))
    expected = {k for k in target if not k.startswith(extra) or k in state}
    fits = {k for k in expected & state.keys() if state[k].shape == target[k].shape}
    problems = [
        f"{k}: shape {tuple(state[k].shape)}, not {tuple(target[k].shape)}"
        for k in sorted((expected & state.keys()) - fits)
    ]
    # absent from files older than the counter, which nothing but momentum=None reads
    missing = {k for k in expected - state.keys() if not k.endswith("num_batches_tracked")}
    problems += [f"{k}: missing from the weights" for k in sorted(missing)]
    unused = tuple(f"layer{stage}." for stage in range(model.num_stages + 1, 5))
    unknown = {k for k in state.keys() - target.keys() if not k.startswith(unused)}
    problems += [f"{k}: not in the backbone" for k in sorted(unknown)]
    if problems:
        shown = "; ".join(problems[:_SHOWN])
        message = (
            f"{len(problems)} entries of the ResNeSt weights ({layout} keys) do not fit this "
            f"backbone: {shown}{'; ...' if len(problems) > _SHOWN else ''}"
        )
        if strict:
            raise ValueError(
                f"{message}. Check depth, stem_channels, radix, cardinality and spatial_attention."
            )
        print_log(message, logger="current", level=logging.WARNING)
    model.load_state_dict({k: state[k] for k in fits}, strict=False)
    for name, module in model.named_modules():
        if isinstance(module, AuthorSpatialKernelAttention) and f"{name}.fc.weight" not in fits:
            module.open_gates()
    return LoadReport(layout, tuple(sorted(fits)), tuple(sorted(target.keys() - fits)))


def author_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The weights under the entry names of the author's code, whose scripts read them.

    Args:
        model: a ResNeSkt with ``spatial_attention="author"``, or MMPretrain's classifier with one,
            whose linear head comes along.

    Raises:
        ValueError: the network is not one of his: another attention, or no deep stem.
    """
    backbone: Any = getattr(model, "backbone", model)
    state = backbone.state_dict()
    if not any(f"{_ATTENTION}convs." in key for key in state) or "stem.7.weight" not in state:
        raise ValueError(
            "the author's code knows a ResNeSkt with spatial_attention='author' and a deep stem"
        )
    renamed = {}
    for key, value in state.items():
        for official, own in _STEM[_OFFICIAL].items():
            key = re.sub(f"^{re.escape(own)}", official, key)
        if _ATTENTION in key and key.endswith("weight") and value.shape[1:] == (1, 1, 1):
            value = value[..., 0, 0]  # a linear layer there
        renamed[key.replace(_ATTENTION, _AUTHORS_ATTENTION)] = value
    head: Any = getattr(model, "head", None)
    if hasattr(head, "fc"):
        renamed.update({f"fc.{key}": value for key, value in head.fc.state_dict().items()})
    return renamed


@WEIGHT_INITIALIZERS.register_module(name="ResNeStPretrained", force=True)
class ResNeStPretrained:
    """``init_cfg=dict(type='ResNeStPretrained', checkpoint=PATH_OR_URL)``.

    Args:
        checkpoint, map_location, strict: see :func:`load_resnest`.
    """

    def __init__(self, checkpoint: str, map_location: str = "cpu", strict: bool = True) -> None:
        self.checkpoint = checkpoint
        self.map_location = map_location
        self.strict = strict

    def __call__(self, module: ResNeSkt) -> None:
        try:
            report = load_resnest(module, self.checkpoint, self.map_location, self.strict)
        except OSError as error:
            raise OSError(
                f"{error}, or train from scratch: --cfg-options model.backbone.init_cfg=None "
                f"model.backbone.frozen_stages=-1"
            ) from None
        print_log(f"{self.checkpoint}: {report}", logger="current")


def _beyond_resnest(model: nn.Module) -> tuple[str, ...]:
    """Prefixes of what a ResNeSkt holds and no ResNeSt does."""
    prefixes = []
    for name, module in model.named_modules():
        if isinstance(module, Bottleneck):
            prefixes += [f"{name}.spatial_attention.", f"{name}.conv2.conv.conv_offset."]
            prefixes += [f"{name}.{plugin}." for plugin in module.plugin_names()]
    return tuple(prefixes)


def _backbone_part(source: Mapping) -> dict[str, Tensor]:
    """The backbone's entries, without their prefixes."""
    state = source.get("state_dict", source)
    in_model = any(re.match(r"(module\.)?backbone\.", k) for k in state)
    return {
        _PREFIX.sub("", k): v
        for k, v in state.items()
        if re.match(r"(module\.)?backbone\." if in_model else r"(module\.)?(?!fc\.|head\.)", k)
    }


def _rename(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Keys in the backbone's own layout, and the name of the layout they came in."""
    if any(_AUTHORS_ATTENTION in key for key in state):
        layout = _AUTHOR
    elif "conv1.0.weight" in state:
        layout = _OFFICIAL
    elif "stem.0.conv.weight" in state:
        layout = "MMPretrain"
    elif "stem.0.weight" in state:
        layout = "MMDetection"
    else:
        raise ValueError(
            f"these are not the weights of a ResNeSt with a deep stem: found keys like "
            f"{', '.join(list(state)[:_SHOWN]) or 'none'}"
        )
    renamed = {}
    for key, value in state.items():
        for old, new in _STEM[_OFFICIAL if layout == _AUTHOR else layout].items():
            if key.startswith(old):
                key = new + key[len(old) :]
                break
        if layout == "MMPretrain":
            # MMPretrain leaves out the pooling of layer1's shortcut, which has stride 1
            key = re.sub(
                r"^layer1\.0\.downsample\.([01])\.",
                lambda m: f"layer1.0.downsample.{int(m[1]) + 1}.",
                key,
            )
        if _AUTHORS_ATTENTION in key and value.dim() == 2:
            value = value[..., None, None]
        renamed[key.replace(_AUTHORS_ATTENTION, _ATTENTION)] = value
    return renamed, layout
