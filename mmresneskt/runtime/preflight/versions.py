"""Installed versions that cannot work together."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import torch
from mmengine.config import Config

from ..environment import problem_of
from .findings import Finding, error, warning

# distributions that write the same files
_TWINS = (
    ("mmengine", "mmengine-lite", "onedl-mmengine"),
    ("mmcv", "mmcv-lite", "onedl-mmcv"),
    ("mmdet", "onedl-mmdetection"),
    ("mmpretrain", "onedl-mmpretrain"),
)


def clashing_versions(cfg: Config) -> Iterator[Finding]:
    """Two distributions of one library, torch beside a numpy or torchvision for another torch,
    and an MM library that refuses the others."""
    for names in _TWINS:
        there = [f"{name} {version}" for name in names if (version := installed(name))]
        if len(there) > 1:
            yield error(
                "",
                f"{' and '.join(there)} are installed together and overwrite each other's files: "
                f"uninstall all of them, then install one",
            )
    have = f"torch {torch.__version__}"
    try:
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, AttributeError) as failure:
        yield warning(
            "",
            f"torchvision {installed('torchvision')} does not work with {have} "
            f"({str(failure).splitlines()[0]}): install the two in one command, from one index",
        )
    try:
        torch.zeros(1).numpy()
    except RuntimeError:
        yield error("", f"{have} cannot use numpy {installed('numpy')}: pip install 'numpy<2'")
    for library in ("mmdet", "mmpretrain"):
        if cfg.get("default_scope") == library and (problem := problem_of(library)):
            yield error("default_scope", problem)


def installed(distribution: str) -> str | None:
    """Its version, None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
