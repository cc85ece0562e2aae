"""On what, with what and when something was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import torch

_LIBRARIES = ("torch", "torchvision", "mmengine", "mmdet", "mmpretrain", "timm")


def conditions() -> dict:
    """``hardware``, ``versions``, ``date`` and the ``commit`` of this package's clone."""
    return dict(
        hardware=_hardware(),
        versions=_versions(),
        date=str(datetime.date.today()),
        commit=_commit(),
    )


def listed(versions: dict[str, str]) -> str:
    """Libraries with their versions, as one text."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def as_text(found: dict) -> str:
    """What :func:`conditions` gives, as one line."""
    versions = listed(found["versions"])
    return f"{found['date']}, commit {found['commit']}, {found['hardware']}; {versions}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{cores()} cores of {[*names, platform.processor(), platform.machine()][0]}, no GPU"


def _versions() -> dict[str, str]:
    found = dict(Python=platform.python_version())
    for name in _LIBRARIES:
        try:
            # what runs: metadata may be of another distribution of the same module
            found[name] = import_module(name).__version__.partition("+")[0]
        except Exception:  # absent, or not with these versions of the others
            continue
    return found


def _commit() -> str:
    """Of this package's own clone; where it is installed, its version."""
    root = Path(__file__).resolve().parents[2]
    top = _git(root, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != root:  # somebody else's repository may be around it
        package = sys.modules[__name__.partition(".")[0]]
        return f"of version {package.__version__}"  # on a path it has no metadata
    commit = _git(root, "rev-parse", "--short", "HEAD")
    # results may change while others are measured; what they depend on may not
    changed = _git(root, "status", "--porcelain", "--", "mmresneskt", "configs", "tools")
    return f"{commit}-dirty" if changed else commit or "unknown"


def _git(root: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return result.stdout.strip()
