"""Trace an error raised while a part of a config was built to the setting at fault."""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Callable, Iterator

from mmengine.config import ConfigDict

from ..config.tree import nodes
from ..errors import explain
from .findings import Finding, error


def blame(failure: Exception, key: str, cfg: ConfigDict, build: Callable) -> Finding:
    """The finding that tells of ``failure``, at the most exact key that can be told.

    The part is that of the innermost constructor which was running, the setting the one
    whose removal lets the whole be built, or that the message names.

    Args:
        key, cfg: dotted key and contents of what was built.
        build: builds from ``cfg`` and the like; called again a few times.
    """
    part_key, part = _part(failure, key, cfg)
    lines = traceback.extract_tb(list(causes(failure))[-1].__traceback__)
    line = (lines[-1].line if lines else None) or ""
    text = explain(failure) or f"this does not hold: {line.removeprefix('assert ')}"
    path = part_key[len(key) :].lstrip(".")
    missing = isinstance(list(causes(failure))[-1], (ImportError, RuntimeError))  # no setting is
    cures = [] if missing else _cures(path, part, cfg, build)
    name = _setting(f"{text} {line}", part, cures)
    if name is None:
        return error(part_key, text)
    return error(f"{part_key}.{name}", f"{name}={_short(part[name])}: {text}")


def causes(failure: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from, the innermost last."""
    seen: set[int] = set()
    cause: BaseException | None = failure
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _part(failure: Exception, key: str, cfg: ConfigDict) -> tuple[str, ConfigDict]:
    typed: dict[str, tuple[str, ConfigDict]] = {}
    for part_key, part in nodes(cfg, key):
        typed.setdefault(_name(part.get("type")), (part_key, part))
    for cause in reversed(list(causes(failure))):
        text = str(cause.args[0]) if cause.args else ""
        # raised by the call itself: no frame of the constructor is there
        for name in re.findall(r"(\w+)\.__init__\(\) |^(\w+) is not in the", text):
            if (found := typed.get(name[0] or name[1])) is not None:
                return found
        for name in reversed(list(_constructors(cause))):
            if name in typed:
                return typed[name]
    return key, cfg


def _constructors(cause: BaseException) -> Iterator[str]:
    """Classes whose constructors were running, the innermost last."""
    trace = cause.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "__init__" and "self" in frame.f_locals:
            yield type(frame.f_locals["self"]).__name__
        trace = trace.tb_next


def _name(kind: object) -> str:
    return kind.rpartition(".")[2] if isinstance(kind, str) else getattr(kind, "__name__", "")


def _cures(path: str, part: ConfigDict, cfg: ConfigDict, build: Callable) -> list[str]:
    """The settings of a part without any one of which the whole can be built."""
    found = []
    for name in part:
        if name == "type":
            continue
        changed = copy.deepcopy(cfg)
        del dict(nodes(changed))[path][name]
        try:
            build(changed)
        except Exception:  # whatever else is wrong without it
            continue
        found.append(name)
    return found


def _setting(text: str, part: ConfigDict, cures: list[str]) -> str | None:
    """The setting at fault, by what cures the failure and what its text names."""
    named = [name for name in part if re.search(rf"\b{re.escape(name)}\b", text)]
    both = [name for name in named if name in cures]
    if both or len(cures) == 1:
        return (both or cures)[0]
    if not named and f"{_name(part.get('type'))} is not in" in text:
        return "type"
    settings = [name for name in part if name != "type"]
    return (named or cures or (settings if len(settings) == 1 else [None]))[0]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
