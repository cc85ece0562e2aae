"""Runs that survive what happens to machines: kills, signals, full disks, losses of nan."""

from .disk_full import explain_writing, is_disk_full
from .newest_valid import newest_valid, require
from .runner import fault_tolerant, handle_failures
from .stop import Stop

__all__ = [
    "Stop",
    "handle_failures",
    "explain_writing",
    "is_disk_full",
    "newest_valid",
    "require",
    "fault_tolerant",
]
