"""Parameters and operations of configs, and of Tables 1 and 2 beside the paper's."""

from __future__ import annotations

import sys
from pathlib import Path

from mmengine.config import Config

from mmresneskt.runtime.complexity import Complexity, build_for_counting, complexity
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError, explain

from .classification_table import row_config
from .tables import Row

_SHAPES = {"mmdet": (800, 1280)}  # as MMDetection's get_flops.py
_CLASSIFIER = (224, 224)
CONFIG_HEADER = ("config", "input", "params (M)", "operations (G)", "activations (M)")
PAPER_HEADER = (
    "network",
    "author's code (M / G)",
    "paper (M)",
    "params (M)",
    "difference (M, %)",
    "paper (G)",
    "operations (G)",
    "difference (G, %)",
    "activations (M)",
)


def measure(cfg: Config, shape: tuple[int, int], name: str) -> Complexity:
    """Build a config's model and count.

    Args:
        name: of the config in messages.

    Raises:
        UserError: it cannot be built, or does not run at this size.
    """
    try:
        found = complexity(build_for_counting(cfg, *shape), *shape)
    except Exception as error:  # whatever a stranger's model raises
        raise UserError(f"{name} at {shape[0]}x{shape[1]}: {explain(error)}") from error
    if found.uncounted:
        print(f"{name}: not counted: {', '.join(found.uncounted)}", file=sys.stderr)
    return found


def paper_rows(rows: tuple[Row, ...]) -> list[list]:
    lines = []
    for row in rows:
        cfg = row_config(row.name)
        cfg.model.head.num_classes = 1000
        params, macs, activations = _rounded(measure(cfg, _CLASSIFIER, row.label))
        line = [row.label, row.code, row.params, params, _difference(params, row.params)]
        lines.append([*line, row.macs, macs, _difference(macs, row.macs), activations])
    return lines


def config_rows(configs: list[str], shape: list[int] | None) -> list[list]:
    lines = []
    for file in configs:
        cfg = load_config(file)
        given = shape or _SHAPES.get(cfg.get("default_scope"), _CLASSIFIER)
        height, width = given[0], given[-1]
        counts = _rounded(measure(cfg, (height, width), cfg.filename))
        lines.append([Path(file).stem, f"{height}x{width}", *counts])
    return lines


def _rounded(found: Complexity) -> tuple[float, ...]:
    """Parameters in M, multiply-accumulates in G, activations in M."""
    scaled = (found.params / 1e6, found.macs / 1e9, found.activations / 1e6)
    return tuple(round(value, 2) for value in scaled)


def _difference(measured: float, printed: float) -> float:
    return round((measured / printed - 1) * 100, 2)
