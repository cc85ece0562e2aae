"""Runs that survive what happens to machines: kills, signals, full disks, losses of nan."""

from .checkpoint_hook import WholeCheckpointHook
from .newest_valid import newest_valid, require
from .runner import surviving
from .stop import Stop

__all__ = ["Stop", "WholeCheckpointHook", "newest_valid", "require", "surviving"]
