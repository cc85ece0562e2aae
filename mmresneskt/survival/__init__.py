"""Runs that survive what happens to machines: kills, signals, full disks, losses of nan."""

from .checkpoint_hook import WholeCheckpointHook
from .losses import LIMITS, BadLossHook
from .newest_valid import newest_valid, require
from .runner import equip, surviving
from .signals import StopOnSignalHook
from .stop import Stop

__all__ = [
    "LIMITS",
    "BadLossHook",
    "Stop",
    "StopOnSignalHook",
    "WholeCheckpointHook",
    "equip",
    "newest_valid",
    "require",
    "surviving",
]
