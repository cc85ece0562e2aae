"""``tools/complexity.py``: parameters and operations of configs, or Tables 1 and 2."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import MMLogger

from ..complexity import Complexity, build_for_counting, complexity
from .config import load_config
from .errors import UserError, explain
from .paper import TABLES, Row
from .table import format_table

_SHAPES = {"mmdet": (800, 1280)}  # as MMDetection's get_flops.py
_CLASSIFIER = (224, 224)
_CONFIG_HEADER = ("config", "input", "params (M)", "operations (G)", "activations (M)")
_PAPER_HEADER = (
    "network",
    "paper (M)",
    "params (M)",
    "difference (M, %)",
    "paper (G)",
    "operations (G)",
    "difference (G, %)",
    "activations (M)",
)


def main(argv: list[str] | None = None) -> None:
    """Print the table; no dataset is needed.

    Raises:
        UserError: a config cannot be read or its model cannot be built.
    """
    args = parse_args(argv)
    MMLogger.get_instance("mmresneskt", log_level="ERROR")  # timm's wrapper lists its features
    with contextlib.redirect_stdout(sys.stderr):  # the libraries print as they go
        if args.table:
            tables = {table: _paper_rows(rows) for table, rows in TABLES.items()}
        else:
            tables = {"configs": _config_rows(args.configs, args.shape)}
    header = _PAPER_HEADER if args.table else _CONFIG_HEADER
    if args.format == "json":
        objects = {k: [dict(zip(header, row)) for row in rows] for k, rows in tables.items()}
        print(json.dumps(objects if args.table else objects["configs"], indent=1))
        return
    markdown = args.format == "markdown"
    parts = []
    for table, rows in tables.items():
        title = f"{'## ' if markdown else ''}Table {table[-1]}, at 224x224 with 1000 classes"
        parts += [*([title] if args.table else []), format_table(header, rows, markdown)]
    print("\n\n".join(parts))


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="complexity.py",
        description="Parameters, multiply-accumulates (of convolutions and matrix products) and "
        "activations (their outputs) of models, for one image.",
    )
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="of either library")
    parser.add_argument("--table", action="store_true", help="Tables 1 and 2 beside the paper's")
    parser.add_argument(
        "--shape",
        type=int,
        nargs="+",
        metavar="SIDE",
        help="height and width, or one side, in pixels (224, for detectors 800 1280)",
    )
    parser.add_argument("--format", choices=["text", "markdown", "json"], default="text")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if args.table == bool(args.configs):
        parser.error("give one or more configs, or --table")
    if args.shape and (args.table or len(args.shape) > 2 or min(args.shape) < 1):
        parser.error("--shape takes one or two sides, for configs only")
    return args


def measure(cfg: Config, shape: tuple[int, int]) -> Complexity:
    """Build a config's model and count.

    Raises:
        UserError: it cannot be built, or does not run at this size.
    """
    try:
        found = complexity(build_for_counting(cfg, *shape), *shape)
    except Exception as error:  # whatever a stranger's model raises
        raise UserError(f"{cfg.filename} at {shape[0]}x{shape[1]}: {explain(error)}") from error
    if found.uncounted:
        print(f"{cfg.filename}: not counted: {', '.join(found.uncounted)}", file=sys.stderr)
    return found


def _paper_rows(rows: tuple[Row, ...]) -> list[list]:
    lines = []
    for row in rows:
        cfg = load_config(str(row.config))
        cfg.model.head.num_classes = 1000
        params, macs, activations = _rounded(measure(cfg, _CLASSIFIER))
        line = [row.label, row.params, params, _difference(params, row.params)]
        lines.append([*line, row.macs, macs, _difference(macs, row.macs), activations])
    return lines


def _config_rows(configs: list[str], shape: list[int] | None) -> list[list]:
    lines = []
    for file in configs:
        cfg = load_config(file)
        given = shape or _SHAPES.get(cfg.get("default_scope"), _CLASSIFIER)
        height, width = given[0], given[-1]
        counts = _rounded(measure(cfg, (height, width)))
        lines.append([Path(file).stem, f"{height}x{width}", *counts])
    return lines


def _rounded(found: Complexity) -> tuple[float, float, float]:
    """Parameters in M, multiply-accumulates in G, activations in M."""
    scaled = (found.params / 1e6, found.macs / 1e9, found.activations / 1e6)
    return tuple(round(value, 2) for value in scaled)


def _difference(measured: float, printed: float) -> float:
    return round((measured / printed - 1) * 100, 2)
