"""mmengine's runners, made to survive."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from .checkpoint_hook import WholeCheckpointHook
from .signals import StopOnSignalHook


@functools.cache
def surviving(runner: type) -> type:
    """A runner class (Runner, FlexibleRunner or one's own) whose runs survive.

    What is exchanged is exchanged here, when the run is built: the config that mmengine keeps
    in the work folder stays the user's.
    """
    return type(f"Surviving{runner.__name__}", (_Surviving, runner), {})


def equip(runner: Runner, leave: Callable[[int], Any]) -> None:
    """Register the hooks that a run survives by.

    Args:
        leave: see :class:`StopOnSignalHook`.
    """
    runner.register_hook(StopOnSignalHook(leave))


class _Surviving:
    def register_hook(self: Runner, hook: Hook | dict, priority: str | int | None = None) -> None:
        if isinstance(hook, dict) and _class_of(hook["type"]) is CheckpointHook:
            hook = {**hook, "type": WholeCheckpointHook}
        super().register_hook(hook, priority)


def _class_of(kind: str | type) -> type | None:
    return HOOKS.get(kind) if isinstance(kind, str) else kind
