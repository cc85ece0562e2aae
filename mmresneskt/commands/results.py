"""The file that holds what was measured for a table, as JSON and as Markdown."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from .errors import UserError
from .paper import Row

_NOT_MEASURED = "not measured"
_NOTE = (
    "The paper's figures are for ten classes of ImageNet-1K, 100 epochs at 224x224. More than "
    "one seed: mean ± sample standard deviation."
)


class Results:
    """Runs measured so far: each a dict with ``row``, ``seed``, ``recipe`` and figures.

    Args:
        path: the JSON file; it need not be there yet.
        title: of the Markdown table.

    Raises:
        UserError: the file is there and holds something else.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
        self.runs: list[dict] = []
        if path.exists():
            try:
                self.runs = json.loads(path.read_text())["runs"]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path} does not hold results ({error}): move it away and start again"
                ) from error

    def find(self, row: str, seed: int, fingerprint: str) -> dict | None:
        """The run of a row with these settings and this seed, if there is one."""
        wanted = (row, seed, fingerprint)
        matching = (r for r in self.runs if (r["row"], r["seed"], r["fingerprint"]) == wanted)
        return next(matching, None)

    def add(self, run: dict) -> None:
        self.runs.append(run)

    def write(self, rows: Sequence[Row]) -> Path:
        """Write both files, each whole or not at all; return the Markdown one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        markdown = self.path.with_suffix(".md")
        _replace(self.path, json.dumps(dict(title=self.title, runs=self.runs), indent=1) + "\n")
        _replace(markdown, self.markdown(rows))
        return markdown

    def markdown(self, rows: Sequence[Row]) -> str:
        """One line for each row and each way it was run, with the conditions below."""
        lines = [
            f"# {self.title}",
            "",
            "| network | paper top-1 (%) | measured top-1 (%) | loss | top-1 on the training "
            "images (%) | epochs | seeds | conditions |",
            "|---|---|---|---|---|---|---|---|",
        ]
        conditions: list[str] = []
        for row in rows:
            groups: dict[tuple, list[dict]] = {}
            for run in self.runs:
                if run["row"] == row.name:
                    condition = _condition(run)
                    if condition not in conditions:
                        conditions.append(condition)
                    key = (run["fingerprint"], conditions.index(condition) + 1)
                    groups.setdefault(key, []).append(run)
            start = f"| {row.label} | {row.top1:.2f} |"
            if not groups:
                lines.append(f"{start} {_NOT_MEASURED} | | | | | |")
            for (_, number), runs in groups.items():
                seeds = ", ".join(str(run["seed"]) for run in runs)
                cells = [_mean(runs, key) for key in ("top1", "loss", "train_top1")]
                cells += [str(runs[0]["epochs"]), seeds, str(number)]
                lines.append(f"{start} {' | '.join(cells)} |")
        lines += ["", _NOTE, ""]
        lines += [f"{i}. {text}" for i, text in enumerate(conditions, start=1)]
        return "\n".join(lines).rstrip() + "\n"


def _mean(runs: list[dict], key: str) -> str:
    values = [run[key] for run in runs]
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def _condition(run: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return (
        f"{run['date']}, commit {run['commit']}, {run['hardware']}; {versions}; recipe "
        f"`{run['recipe']}`, data `{run['data']}` ({run['train_images']} training and "
        f"{run['test_images']} test images){', mixed precision' if run['amp'] else ''}"
    )


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text)
    os.replace(draft, path)
