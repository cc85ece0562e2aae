"""Find what is wrong with a config, its data and the installation.

Exit code 2 where there are errors, 0 where there are none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from mmresneskt.runtime.errors import EXIT_USAGE, UserError, printable

from .arguments import add_config_arguments, add_trust_argument

if TYPE_CHECKING:
    from mmengine.config import Config

    from mmresneskt.runtime.preflight import Finding

_PARTS = ("train", "val", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--work-dir", help="folder in which there must be room for checkpoints")
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Check, and tell.

    Raises:
        SystemExit: with code 2, there are errors.
    """
    with contextlib.redirect_stdout(sys.stderr):  # the libraries print as they go
        findings = check(args)
    errors = [finding for finding in findings if finding.level == "error"]
    if args.json:
        print(json.dumps(_document(args.config, findings), indent=2))
    else:
        for level in ("note", "warning", "error"):
            for finding in findings:
                if finding.level == level:
                    print(f"{level}: {finding}")
        warnings = sum(finding.level == "warning" for finding in findings)
        counts = f"{_count(len(errors), 'error')}, {_count(warnings, 'warning')}"
        print(printable(f"{args.config}: {counts}"))
    if errors:
        sys.exit(EXIT_USAGE)


def check(args: argparse.Namespace) -> list[Finding]:
    """Everything about the config, then, where nothing is wrong with it, about its data."""
    from mmresneskt.data.embedded import embedded
    from mmresneskt.network.swap.find import name_for_folder
    from mmresneskt.runtime.config.load import default_work_dir
    from mmresneskt.runtime.preflight import dataset_problems, find_problems
    from mmresneskt.runtime.preflight.findings import error

    from .config import load, options

    try:
        cfg = load(args)
    except UserError as failure:
        return [error("", str(failure))]
    backbone = name_for_folder(args.backbone or "")
    cfg.work_dir = default_work_dir(cfg, args.config, args.work_dir, backbone)
    findings = _set_classes(cfg, options(args).get("classes"))
    # data whose classes cannot be told has been told of
    findings += find_problems(cfg, () if findings else _PARTS, embedded(cfg))
    if not any(finding.level == "error" for finding in findings):
        findings += dataset_problems(cfg, _PARTS)
    return findings


def _set_classes(cfg: Config, classes: list[str] | None) -> list[Finding]:
    from mmresneskt.data.classes import set_classes
    from mmresneskt.runtime.preflight.findings import error

    try:
        set_classes(cfg, classes)
    except UserError as failure:
        return [error("data_root", str(failure))]
    except Exception:  # a loader or a model that is no dictionary is told of later
        return []
    return []


def _document(config: str, findings: list[Finding]) -> dict:
    levels = {
        f"{level}s": [dict(key=f.key, message=f.message) for f in findings if f.level == level]
        for level in ("error", "warning", "note")
    }
    return dict(config=config, **levels)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
