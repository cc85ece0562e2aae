"""Synchronized batch norms where there is nobody to synchronize with."""

from __future__ import annotations

_SYNCHRONIZED = ("SyncBN", "MMSyncBN")


def replace_sync_bn(node: object) -> int:
    """Turn the synchronized norms of a config into BN, in place; return how many there were.

    On CPUs SyncBN cannot run; mmcv's MMSyncBN cannot even be built by a single process.
    """
    if isinstance(node, dict):
        count = int(node.get("type") in _SYNCHRONIZED)
        if count:
            node["type"] = "BN"
        return count + sum(replace_sync_bn(child) for child in node.values())
    if isinstance(node, (list, tuple)):
        return sum(replace_sync_bn(child) for child in node)
    return 0
