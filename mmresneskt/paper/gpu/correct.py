"""Is what the device computes right? Operators, and the network in every way it is run."""

from __future__ import annotations

from collections.abc import Callable

from . import network, operators
from .compare import HEADER
from .work import Setting

__all__ = ["HEADER", "steps"]


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """The operators' checks, then the network's."""
    ours = network.steps(setting.device, setting.rehearse)
    return operators.steps(setting.device) | ours
