"""What differs between two configs, as a few lines to read."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config


def difference(before: Config, after: Config) -> str:
    """One line ``- key = value`` for each setting that went and ``+ ...`` for each new one."""
    old, new = (dict(_leaves(cfg.to_dict(), "")) for cfg in (before, after))
    lines = []
    for key in sorted({**old, **new}):
        if key in old and key in new and old[key] == new[key]:
            continue
        lines += [f"- {key} = {old[key]}"] if key in old else []
        lines += [f"+ {key} = {new[key]}"] if key in new else []
    return "\n".join(lines)


def _leaves(node: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{key}.{name}" if key else name)
    elif isinstance(node, (list, tuple)) and any(isinstance(item, dict) for item in node):
        for index, value in enumerate(node):
            yield from _leaves(value, f"{key}.{index}")
    else:
        # a tuple comes back from a dumped config as a list
        yield key, repr(list(node) if isinstance(node, tuple) else node)
