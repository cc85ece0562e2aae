"""Tell a neck, or the heads where none stands before them, how many channels come."""

from __future__ import annotations

from mmengine.config import ConfigDict

_INPUT = ("in_channels", "in_channel")


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
    if not sum(_replace(head, old, new) for head in heads):
        raise ValueError(f"no head has in_channels for the backbone's maps, {old}")


def _renewed(value: object, old: list[int], new: list[int]) -> object:
    """``value`` with the new channels, None if it is not the old ones."""
    if isinstance(value, int):
        return new[-1] if value == old[-1] else None
    if list(value) == old:
        return new
    return new[::-1] if list(value) == old[::-1] else None


def _replace(node: object, old: list[int], new: list[int]) -> int:
    """Replace wherever the old channels come in; return how often."""
    if isinstance(node, (list, tuple)):
        return sum(_replace(item, old, new) for item in node)
    if not isinstance(node, dict):
        return 0
    count = 0
    keys = (*_INPUT, "out_channels") if "roi_layer" in node else _INPUT
    for key, value in node.items():
        renewed = _renewed(value, old, new) if key in keys else None
        if renewed is not None:
            node[key] = renewed
        count += _replace(value, old, new) if renewed is None else 1
    return count
