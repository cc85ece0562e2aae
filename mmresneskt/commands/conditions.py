"""On what, with what and when something was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

_LIBRARIES = ("torch", "torchvision", "mmengine", "mmpretrain", "timm")


def conditions() -> dict:
    """``hardware``, ``versions``, ``date`` and the ``commit`` of this package's clone."""
    return dict(
        hardware=_hardware(),
        versions=_versions(),
        date=str(datetime.date.today()),
        commit=_commit(),
    )


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    model = names[0].split(":", 1)[1].strip() if names else platform.machine()
    return f"{os.cpu_count()} cores of {model}, no GPU"


def _versions() -> dict[str, str]:
    found = dict(Python=platform.python_version())
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return result.stdout.strip() or "unknown"
