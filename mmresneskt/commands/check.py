"""``tools/check.py``: what is wrong with a config, before hours are spent on it."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from mmengine.config import Config

from ..checkpoint import trust
from ..checks import Finding, dataset_problems, find_problems
from ..checks.findings import error
from ..swap import BACKBONES
from .arguments import add_options_argument, add_trust_argument
from .classes import set_classes
from .config import default_work_dir, load_config
from .errors import EXIT_USAGE, UserError

PARTS = ("train", "val", "test")


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, check, and tell.

    Raises:
        SystemExit: with code 2, there are errors.
    """
    args = parse_args(argv)
    trust(args.trust_checkpoint)
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
        print(f"{args.config}: {_count(len(errors), 'error')}, {_count(warnings, 'warning')}")
    if errors:
        sys.exit(EXIT_USAGE)


def check(args: argparse.Namespace) -> list[Finding]:
    """Everything about the config, then, where nothing is wrong with it, about its data."""
    try:
        cfg = load_config(args.config, args.cfg_options, args.backbone)
    except UserError as failure:
        return [error("", str(failure))]
    cfg.work_dir = default_work_dir(cfg, args.config, args.work_dir, args.backbone)
    findings = _settle_classes(cfg, (args.cfg_options or {}).get("classes"))
    findings += find_problems(cfg, PARTS)
    if not any(finding.level == "error" for finding in findings):
        findings += dataset_problems(cfg, PARTS)
    return findings


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="check.py",
        description="Find what is wrong with a config, its data and the installation. "
        "Exit code 2 where there are errors, 0 where there are none.",
    )
    parser.add_argument("config", help="config file, or mmdet::... or mmpretrain::...")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--work-dir", help="folder in which there must be room for checkpoints")
    parser.add_argument(
        "--backbone",
        metavar="NAME[:WEIGHTS]",
        help=f"put this backbone into the config first: {', '.join(BACKBONES)}",
    )
    add_options_argument(parser)
    add_trust_argument(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)


def _settle_classes(cfg: Config, classes: list[str] | None) -> list[Finding]:
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
