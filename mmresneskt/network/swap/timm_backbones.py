"""What a config needs to know of a network of timm, found without weights or memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from mmresneskt.network.timm_features import HUB, TimmFeatures, timm_library
from mmresneskt.runtime.building import quiet
from mmresneskt.runtime.config.maps import Map
from mmresneskt.runtime.errors import did_you_mean, explain

from .backbones import Backbone

TIMM = "timm:"
"""Before the name of a network of timm."""

_ANY_SIZE: tuple[dict, ...] = (
    {},
    dict(dynamic_img_size=True, dynamic_img_pad=True),
    dict(strict_img_size=False, always_partition=True),
    dict(dynamic_img_size=True),
    dict(strict_img_size=False),
)
"""What networks of timm take that are else built for images of one size."""


@functools.cache
def timm_backbone(name: str) -> Backbone:
    """A network of timm, with all the maps that it can put out.

    Args:
        name: as timm has it, with or without the tag of its weights.

    Raises:
        ValueError: timm is not installed or has no such network, or it is none that puts out maps
            of images of any size.
    """
    try:
        timm = timm_library()
    except ImportError as error:
        raise ValueError(f"{TIMM}{name}: {error}") from error
    known = timm.list_models()
    if not timm.is_model(name):
        raise ValueError(
            f"timm {timm.__version__} has no {name!r}.{did_you_mean(name, known)} See: mmresneskt "
            f"backbones '{TIMM}*{name[:4]}*'"
        )
    try:
        published = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:  # a tag that is none
        tags = ", ".join(timm.models.get_arch_pretrained_cfgs(name))
        raise ValueError(f"timm: {error} It has: {tags}") from error
    network = probe(name)
    settings: dict[str, Any] = dict(type="TimmFeatures", model_name=name)
    if network.size_divisor > 1:
        settings["size_divisor"] = network.size_divisor
    if network.model_args:
        settings["model_args"] = network.model_args
    return Backbone(
        f"timm's {name}",
        settings,
        f"{HUB}{name}" if published and published.has_weights else "",
        initializer="TimmPretrained",
        mean=_of_bytes(published.mean) if published else Backbone.mean,
        std=_of_bytes(published.std) if published else Backbone.std,
        imports=("mmresneskt",),
        maps=tuple(Map(*of_level) for of_level in zip(network.strides, network.channels)),
    )


def plain_network(name: str) -> Any:
    """The network as timm builds it for feature extraction, on meta.

    Raises:
        ValueError: it is none that puts out maps.
    """
    with quiet(), torch.device("meta"):
        try:
            return timm_library().create_model(name, features_only=True)
        except Exception as error:  # whatever a network without features raises
            raise ValueError(f"timm's {name} puts out no maps (features_only): {error}") from error


def probe(name: str) -> TimmFeatures:
    """The network with all its levels, on meta, set up for images of any size.

    Raises:
        ValueError: it puts out no maps, or none of images of any size.
    """
    plain = plain_network(name)
    side = max(plain.pretrained_cfg["input_size"])
    levels = tuple(range(len(plain.feature_info)))
    why = ""
    for arguments, divisor in _ways(plain.feature_info[-1]["reduction"], side):
        try:
            with quiet(), torch.device("meta"):
                network = TimmFeatures(name, levels, size_divisor=divisor, model_args=arguments)
                _run(network, [(133, 201), (2 * side, 3 * side)])
            if plain.pretrained_cfg.get("fixed_input_size"):
                _look_up(name, levels, size_divisor=divisor, model_args=arguments, side=side)
            return network
        except Exception as error:  # of a network that takes no other size, anything
            why = why or explain(error)
    raise ValueError(
        f"timm's {name} cannot be set up for images of any size, as a detector's are; it is made "
        f"for {side}x{side} ({why})"
    )


def _look_up(name: str, levels: tuple[int, ...], side: int, **settings: Any) -> None:
    """Raises: IndexError where tables of positions end at that size, which meta does not see."""
    with quiet(), torch.random.fork_rng(devices=[]), torch.no_grad():
        TimmFeatures(name, levels, **settings).eval()(torch.zeros(1, 3, 64, 2 * side))


def _ways(coarsest: int, side: int) -> Iterator[tuple[dict, int]]:
    for divisor in (1, coarsest, side):
        for arguments in _ANY_SIZE:
            yield arguments, divisor


def _run(network: TimmFeatures, sizes: list[tuple[int, int]]) -> None:
    """Raises: what the network does, and ValueError where maps are not at their strides."""
    network.eval()
    for size in sizes:
        maps = network(torch.empty(1, 3, *size))
        for found, stride, channels in zip(maps, network.strides, network.channels):
            off = [abs(n - side / stride) for n, side in zip(found.shape[-2:], size)]
            if found.shape[1] != channels or max(off) >= 1:
                raise ValueError(
                    f"its map of stride {stride} is {tuple(found.shape[1:])} for an image of {size}"
                )


def _of_bytes(values: tuple[float, ...]) -> tuple[float, float, float]:
    """timm's means are of values up to 1."""
    red, green, blue = (round(255 * value, 3) for value in values)
    return red, green, blue
