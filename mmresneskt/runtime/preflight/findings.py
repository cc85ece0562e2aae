"""What the checks find, and how it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import UserError
from ..launcher import is_main_process


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, doubtful or worth knowing about a config."""

    level: str
    """"error": the run would fail or compute nonsense. "warning": it may be meant. "note":
    nothing is wrong."""
    key: str
    """Where in the config, dotted as ``--cfg-options`` has it; empty where no key is at fault."""
    message: str

    def __str__(self) -> str:
        return self.message if self.key in self.message else f"{self.key}: {self.message}"


def error(key: str, message: str) -> Finding:
    return Finding("error", key, message)


def warning(key: str, message: str) -> Finding:
    return Finding("warning", key, message)


def note(key: str, message: str) -> Finding:
    return Finding("note", key, message)


def report(findings: Iterable[Finding]) -> None:
    """Print the warnings on stderr, in one of several processes.

    Raises:
        UserError: there are errors; a line each.
    """
    findings = list(findings)
    if is_main_process():
        for finding in findings:
            if finding.level == "warning":
                print(f"warning: {finding}", file=sys.stderr)
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise UserError("\nerror: ".join(errors))
