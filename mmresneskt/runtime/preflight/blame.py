"""Trace an error raised while a part of a config was built to the setting at fault."""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Callable

from mmengine.config import ConfigDict

from ..config.tree import nodes
from ..errors import explain
from .findings import Finding, error


def blame(failure: Exception, key: str, cfg: ConfigDict, build: Callable) -> Finding:
    """The finding that tells of ``failure``, at the most exact key that can be told.

    The part is the innermost that mmengine was building. The setting is one without which
    the whole can be built, or else one that the message or the line that failed names, or the
    only one.

    Args:
        key, cfg: dotted key and contents of what was built.
        build: builds from ``cfg`` and the like; called again for each setting of the part.
    """
    path, part = _part(failure, cfg)
    part_key = ".".join(filter(None, (key, path)))
    frames = traceback.extract_tb(causes(failure)[-1].__traceback__)
    line = (frames[-1].line if frames else None) or ""
    text = explain(failure) or f"this does not hold: {line.removeprefix('assert ')}"
    if f"{part.get('type')} is not in the" in text:
        return error(f"{part_key}.type", text)
    words = re.findall(r"\w+", f"{text} {line}")
    settings = [name for name in part if name != "type"]
    cures = [name for name in settings if _builds_without(cfg, path, name, build)]
    named = [name for name in settings if name in words]
    likely = [name for name in cures if name in named] or cures or named or settings
    if not likely or (likely is settings and len(settings) > 1):
        return error(part_key, text)
    return error(f"{part_key}.{likely[0]}", f"{likely[0]}={part[likely[0]]!r:.60}: {text}")


def causes(failure: BaseException) -> list[BaseException]:
    """The error and those that it was raised from, the innermost last."""
    found: list[BaseException] = []
    cause: BaseException | None = failure
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _part(failure: Exception, cfg: ConfigDict) -> tuple[str, ConfigDict]:
    """The innermost part that was being built, with its key below ``cfg``."""
    for cause in reversed(causes(failure)):
        frames = [frame for frame, _ in traceback.walk_tb(cause.__traceback__)]
        for frame in reversed(frames):
            if frame.f_code.co_name == "build_from_cfg":
                kind = frame.f_locals["cfg"].get("type")
                same = [found for found in nodes(cfg) if found[1].get("type") == kind]
                if same:
                    return same[0]
    return "", cfg


def _builds_without(cfg: ConfigDict, path: str, name: str, build: Callable) -> bool:
    changed = copy.deepcopy(cfg)
    del dict(nodes(changed))[path][name]
    try:
        build(changed)
    except Exception:  # whatever else is wrong without it
        return False
    return True
