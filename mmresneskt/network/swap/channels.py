"""Tell a neck, or the heads where none stands before them, how many channels come."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import ConfigDict

from mmresneskt.runtime.config.tree import nodes

_INPUT = ("in_channels", "in_channel")
_FIRST = "c1_in_channels"
"""DeepLabV3+'s decoder sees the first map as well."""
_ONLY_THE_LAST = ("JPU",)
"""Necks that put a map of their own in the last one's place, and hand the others on."""


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
            if neck.get("type") not in _ONLY_THE_LAST:
                return
            new = [*new[:-1], old[-1]]
    heads = [v for k, v in holder.items() if k not in ("backbone", "neck", "data_preprocessor")]
    if not _replace(heads, old, new):
        raise ValueError(f"no head has in_channels for the backbone's maps, {old}")


def _renewed(
    value: int | Sequence[int], old: list[int], new: list[int], which: int | Sequence[int] = -1
) -> int | Sequence[int] | None:
    """``value`` with the new channels, None if it is not the old ones.

    Args:
        which: the map, or those, whose channels they are, as MMSegmentation's ``in_index``.
    """
    if isinstance(value, int):
        one = which if isinstance(which, int) else -1
        return new[one] if value == old[one] else None
    if not isinstance(which, int):
        old, new = ([maps[i] for i in which] for maps in (old, new))
    for before, after in ((old, new), (old[::-1], new[::-1])):
        if list(value) == before:
            return tuple(after) if isinstance(value, tuple) else after  # JPU insists on its kind
    return None


def _replace(heads: list, old: list[int], new: list[int]) -> int:
    """Replace wherever the old channels come in; return how often."""
    count = 0
    for _, node in nodes(heads):
        if node.get(_FIRST) == old[0]:
            node[_FIRST] = new[0]
        keys = (*_INPUT, "out_channels") if "roi_layer" in node else _INPUT
        for key in keys:
            if key not in node:
                continue
            renewed = _renewed(node[key], old, new, node.get("in_index", -1))
            if renewed is not None:
                node[key] = renewed
                count += 1
    return count
