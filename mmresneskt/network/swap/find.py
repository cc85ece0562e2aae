"""A backbone by the name that a person gives."""

from __future__ import annotations

from mmresneskt.runtime.errors import did_you_mean

from .backbones import BACKBONES, Backbone
from .timm_backbones import TIMM, timm_backbone


def split_name(text: str) -> tuple[str, str]:
    """``NAME[:WEIGHTS]`` apart; ``timm:NAME`` is one name."""
    scheme = TIMM if text.startswith(TIMM) else ""
    name, _, weights = text.removeprefix(scheme).partition(":")
    return scheme + name, weights


def name_for_folder(text: str) -> str:
    """Of ``NAME[:WEIGHTS]`` the name, as part of a folder's name."""
    return split_name(text)[0].replace(":", "_")


def find_backbone(name: str) -> Backbone:
    """A backbone by its name, one of :data:`BACKBONES` or ``timm:NAME``.

    Raises:
        ValueError: there is none of that name, or it is none for configs; says why.
    """
    if name.startswith(TIMM):
        return timm_backbone(name.removeprefix(TIMM))
    if name not in BACKBONES:
        raise ValueError(
            f"there is no backbone {name!r}.{did_you_mean(name, BACKBONES)} Known: "
            f"{', '.join(BACKBONES)}, and {TIMM}NAME for those of timm"
        )
    return BACKBONES[name]
