"""Walks through a config: what is in it, however deep, with its dotted key."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config, ConfigDict


def nodes(tree: object, key: str = "") -> Iterator[tuple[str, ConfigDict]]:
    """Every dictionary in a tree, the outermost included, with its dotted key; outer ones first.

    One may be changed when it comes: the walk goes on through what it has then.

    Args:
        key: of the tree itself.
    """
    if isinstance(tree, (Config, dict)):
        yield key, tree
        children = [(name, tree[name]) for name in tree]
    else:
        children = list(enumerate(tree)) if isinstance(tree, (list, tuple)) else []
    for name, child in children:
        yield from nodes(child, below(key, name))


def settings(tree: object) -> Iterator[tuple[str, object]]:
    """Every value in a tree that is no dictionary, with its dotted key; a list is one value."""
    for holder, node in nodes(tree):
        for name in node:
            if not isinstance(node[name], dict):
                yield below(holder, name), node[name]


def below(key: str, name: object) -> str:
    """The dotted key of what has a name in the dictionary at ``key``."""
    return f"{key}.{name}" if key else str(name)
