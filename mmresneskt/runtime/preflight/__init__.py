"""What is wrong with a config, its data and its installation, found before training starts."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.config import Config

from .build import model_of, unbuildable
from .datasets import annotation_problems, check_datasets, dataset_problems, part_problems
from .disk import room_for_checkpoints
from .files import missing_checkpoints, missing_data
from .findings import Finding, has_error, report
from .metrics import wrong_metrics
from .model import frozen_without_weights, unmatched_weights, wrong_channels
from .names import misspelt
from .values import out_of_range
from .versions import clashing_versions

__all__ = [
    "Finding",
    "check_datasets",
    "dataset_problems",
    "find_problems",
    "missing_data",
    "part_problems",
    "report",
    "wrong_channels",
]


def find_problems(
    cfg: Config, parts: tuple[str, ...] = ("train", "val"), instead: str = ""
) -> list[Finding]:
    """All that can be told without reading the images and without training.

    A mistake is told once: what depends on a part that is known to be wrong is not asked.

    Args:
        cfg: with its classes settled (``num_classes`` of the heads).
        parts: whose data will be read: "train", "val", "test".
        instead: see :func:`missing_data`.
    """
    findings = [*clashing_versions(cfg), *misspelt(cfg), *out_of_range(cfg)]
    findings += _new(unbuildable(cfg), findings)
    findings += _new(wrong_metrics(cfg, parts), findings)
    findings += missing_data(cfg, parts, instead=instead)
    findings += missing_checkpoints(cfg)
    findings += annotation_problems(cfg, parts)
    if has_error(findings, "model"):
        return findings
    model, problems = model_of(cfg)
    findings += problems
    if model is not None:
        findings += wrong_channels(cfg)
        findings += frozen_without_weights(cfg, model)
        findings += unmatched_weights(cfg, model)
        if not has_error(findings):
            findings += room_for_checkpoints(cfg, model)
    return findings


def _new(later: Iterator[Finding], findings: list[Finding]) -> list[Finding]:
    """Without those at, above or below a key that is told of already."""
    told = [f"{finding.key}." for finding in findings if finding.key]
    return [
        finding
        for finding in later
        if not any(
            key.startswith(f"{finding.key}.") or f"{finding.key}.".startswith(key) for key in told
        )
    ]
