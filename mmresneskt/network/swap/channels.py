"""Tell a neck, or the heads where none stands before them, how many channels come."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import ConfigDict

from mmresneskt.runtime.config.tree import nodes

_INPUT = ("in_channels", "in_channel")


def start_at_first(holder: ConfigDict) -> int:
    """Tell a neck that passes over the first maps that it is not given them; return how many."""
    neck = holder.get("neck")
    skipped = neck.get("start_level", 0) if isinstance(neck, dict) else 0
    if skipped and isinstance(neck.get("in_channels"), (list, tuple)):
        neck.in_channels = neck.in_channels[skipped:]
        neck.start_level = 0
        if neck.get("end_level", -1) > 0:
            neck.end_level -= skipped
        return skipped
    return 0


def set_channels(holder: ConfigDict, old: list[int], new: list[int]) -> None:
    """Replace the channels of the old maps by those of the new.

    Args:
        holder: the part of the model that has backbone, neck and heads.

    Raises:
        ValueError: they differ, and the config does not say in the usual way how many it
            expects.
    """
    if old == new:
        return
    necks = holder.get("neck") or []
    necks = necks if isinstance(necks, list) else [necks]
    for neck in necks:
        key = next((key for key in _INPUT if key in neck), None)
        if key:
            neck[key] = _renewed(neck[key], old, new)
            if neck[key] is None:
                raise ValueError(f"neck.{key} is not the channels of the backbone's maps, {old}")
            return
    heads = [v for k, v in holder.items() if k not in ("backbone", "neck", "data_preprocessor")]
    if not _replace(heads, old, new):
        raise ValueError(f"no head has in_channels for the backbone's maps, {old}")


def _renewed(value: int | Sequence[int], old: list[int], new: list[int]) -> int | list[int] | None:
    """``value`` with the new channels, None if it is not the old ones."""
    if isinstance(value, int):
        return new[-1] if value == old[-1] else None
    if list(value) == old:
        return new
    return new[::-1] if list(value) == old[::-1] else None


def _replace(heads: list, old: list[int], new: list[int]) -> int:
    """Replace wherever the old channels come in; return how often."""
    count = 0
    for _, node in nodes(heads):
        keys = (*_INPUT, "out_channels") if "roi_layer" in node else _INPUT
        for key in keys:
            renewed = _renewed(node[key], old, new) if key in node else None
            if renewed is not None:
                node[key] = renewed
                count += 1
    return count
