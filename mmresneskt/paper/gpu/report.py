"""What all parts have given, in one file for machines and one for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmresneskt.runtime.files import write_whole
from mmresneskt.runtime.text_table import format_table

from .parts import Part
from .record import Record


def write_report(parts: Sequence[Part], outcomes: Mapping[str, str], out: Path) -> None:
    """Write ``gpu.json`` and ``gpu.md`` from the files of the parts.

    Args:
        outcomes: of each part by name, empty where it has not been run yet.

    Raises:
        OSError: they cannot be written.
    """
    found = {}
    for part in parts:
        outcome = outcomes[part.name] or "not run yet"
        content = dict(Record(out / f"{part.name}.json").content, outcome=outcome)
        if outcome.startswith("failed"):
            content["last_line"] = _last_line(out / "logs" / f"{part.name}.log")
        found[part.name] = content
    document = json.dumps(dict(parts=found), indent=1) + "\n"
    write_whole(out / "gpu.json", document.encode())
    lines = ["# Measured by `mmresneskt gpu`"]
    for part in parts:
        lines += ["", f"## {part.title} (`{part.name}`)", "", *_section(found[part.name])]
    write_whole(out / "gpu.md", ("\n".join(lines) + "\n").encode())


def _section(content: dict) -> list[str]:
    lines = [f"{content['outcome'].capitalize()}."]
    if content.get("last_line"):
        lines += ["", f"Last line of its log: `{content['last_line']}`"]
    places = content["conditions"]
    several = len(places) > 1  # figures of several days or cards say which
    rows = [
        [*map(_text, row), *([content["on"][step] + 1] if several else [])]
        for step, step_rows in content["rows"].items()
        for row in step_rows
    ]
    if rows:
        header = [*content["header"], *(["measured"] if several else [])]
        lines += ["", format_table(header, rows, markdown=True)]
        lines += ["", *(f"{n}. {_sentence(place)}" for n, place in enumerate(places, start=1))]
    if content["failed"]:
        lines += ["", "Failed:", ""]
        lines += [f"- {step}: {message}" for step, message in content["failed"].items()]
    return lines


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell).replace("|", "\\|")


def _sentence(where: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return (
        f"{where['date']}, commit {where['commit']}, {where['hardware']}; driver "
        f"{where['driver']}; {versions}, CUDA {where['cuda']}."
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
