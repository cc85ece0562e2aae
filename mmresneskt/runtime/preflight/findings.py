"""What the checks find, and how it is told."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import UserError, printable
from ..launcher import is_main_process

_SHOWN = 10


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
        return printable(
            self.message if self.key in self.message else f"{self.key}: {self.message}"
        )


def error(key: str, message: str) -> Finding:
    return Finding("error", key, message)


def warning(key: str, message: str) -> Finding:
    return Finding("warning", key, message)


def note(key: str, message: str) -> Finding:
    return Finding("note", key, message)


def shown(names: Sequence[str]) -> str:
    """The first ten of some names, quoted."""
    return ", ".join(map(repr, names[:_SHOWN])) + (" ..." if len(names) > _SHOWN else "")


class Counted:
    """Kinds of problems in a file of annotations: how many entries have each, and the first."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._count: Counter[tuple[str, str]] = Counter()

    def add(self, level: str, kind: str, where: str, number: int = 1) -> None:
        """Note one entry, or the first of a number."""
        self._first.setdefault((level, kind), where)
        self._count[level, kind] += number

    def findings(self, key: str, file: object) -> Iterator[Finding]:
        """One for each kind, at the file's key."""
        for (level, kind), first in self._first.items():
            count = self._count[level, kind]
            yield Finding(level, key, f"{file}: {count} {kind}, the first: {first}")


def has_error(findings: Iterable[Finding], key: str = "") -> bool:
    """Whether there is an error, at the dotted key or below it where one is given."""
    return any(
        f.level == "error" and (not key or f"{f.key}.".startswith(f"{key}.")) for f in findings
    )


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
    if has_error(findings):
        first, *others = (f for f in findings if f.level == "error")
        raise UserError(first, *(f"error: {finding}" for finding in others))
