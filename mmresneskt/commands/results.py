"""The file that holds what was measured for a table, as JSON and as Markdown."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from ..files import lock_folder, write_whole
from .errors import UserError
from .paper import Row
from .table import format_table

_NOT_MEASURED = "not measured"
_NOTE = (
    "The paper's figures are for ten classes of ImageNet-1K, 100 epochs at 224x224. More than "
    "one seed: mean ± sample standard deviation."
)
_HEADER = (
    "network",
    "paper top-1 (%)",
    "measured top-1 (%)",
    "loss",
    "top-1 on the training images (%)",
    "epochs",
    "seeds",
    "conditions",
)
_FIGURES = ("top1", "loss", "train_top1", "train_loss")
# runs that agree in these are one way of running, of which the mean is taken
_SETTINGS = ("fingerprint", "epochs", "recipe", "data", "amp", "hardware", "versions")
_KEYS = {"row", "seed", "date", "commit", "train_images", "test_images", *_FIGURES, *_SETTINGS}


class Results:
    """Runs measured so far: each a dict with ``row``, ``seed``, its figures and conditions.

    Args:
        path: the JSON file; it need not be there yet. A Markdown file is kept beside it.
        title: of the table.
        rows: of the table.

    Raises:
        UserError: the file holds something else, or the folder cannot be written.
    """

    def __init__(self, path: Path, title: str, rows: Sequence[Row]) -> None:
        self.path, self.title, self.rows = path, title, rows
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.runs = self._read()
        except OSError as error:
            raise UserError(f"results cannot be kept in {path.parent}: {error}") from error

    def find(self, row: str, seed: int, fingerprint: str) -> dict | None:
        """The run of a row with these settings and this seed, if there is one."""
        return next((r for r in self.runs if _identity(r) == (row, seed, fingerprint)), None)

    def add(self, run: dict) -> None:
        """Add a run, beside what other processes have added since, and write."""
        self._update([run])

    def write(self) -> Path:
        """Write both files, each whole or not at all; return the Markdown one."""
        self._update([])
        return self.path.with_suffix(".md")

    def markdown(self, rows: Sequence[Row]) -> str:
        """One line for each row and each way it was run, with the conditions below."""
        lines, conditions = [], []
        for row in rows:
            start = [row.label, row.top1]
            groups = self._groups(row)
            if not groups:
                lines.append([*start, _NOT_MEASURED, *[""] * (len(_HEADER) - 3)])
            for runs in groups:
                condition = _condition(runs)
                if condition not in conditions:
                    conditions.append(condition)
                cells = [_mean(runs, key) for key in ("top1", "loss", "train_top1")]
                seeds = ", ".join(str(run["seed"]) for run in runs)
                number = conditions.index(condition) + 1
                lines.append([*start, *cells, runs[0]["epochs"], seeds, number])
        table = format_table(_HEADER, lines, markdown=True)
        notes = [f"{i}. {text}" for i, text in enumerate(conditions, start=1)]
        return "\n".join([f"# {self.title}", "", table, "", _NOTE, "", *notes]).rstrip() + "\n"

    def _update(self, runs: list[dict]) -> None:
        lock = lock_folder(self.path.parent, patience=60)
        try:
            merged = {_identity(run): run for run in (*self._read(), *runs)}
            self.runs = list(merged.values())
            document = dict(title=self.title, rows=self._summary(), runs=self.runs)
            write_whole(self.path, (json.dumps(document, indent=1) + "\n").encode())
            write_whole(self.path.with_suffix(".md"), self.markdown(self.rows).encode())
        finally:
            if lock is not None:
                os.close(lock)

    def _read(self) -> list[dict]:
        if not self.path.exists():
            return []
        try:
            runs = json.loads(self.path.read_text())["runs"]
            fits = all(run.keys() >= _KEYS for run in runs)
        except (ValueError, KeyError, TypeError, AttributeError):
            fits = False
        if not fits:
            raise UserError(f"{self.path} does not hold results: move it away and start again")
        return runs

    def _groups(self, row: Row) -> list[list[dict]]:
        groups: dict[str, list[dict]] = {}
        for run in self.runs:
            if run["row"] == row.name:
                key = json.dumps([run[name] for name in _SETTINGS], sort_keys=True)
                groups.setdefault(key, []).append(run)
        return [sorted(runs, key=lambda run: run["seed"]) for runs in groups.values()]

    def _summary(self) -> list[dict]:
        """The table as data: the paper's figure of each row, and the means measured."""
        summary = []
        for row in self.rows:
            measured = [
                dict(
                    **{key: _statistics(runs, key) for key in _FIGURES},
                    epochs=runs[0]["epochs"],
                    seeds=[run["seed"] for run in runs],
                    conditions=_condition(runs),
                )
                for runs in self._groups(row)
            ]
            line = dict(network=row.label, row=row.name, paper_top1=row.top1)
            summary.append(dict(**line, measured=measured or _NOT_MEASURED))
        return summary


def _identity(run: dict) -> tuple:
    return run["row"], run["seed"], run["fingerprint"]


def _statistics(runs: list[dict], key: str) -> dict[str, float | None]:
    values = [run[key] for run in runs]
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return dict(mean=statistics.mean(values), standard_deviation=deviation)


def _mean(runs: list[dict], key: str) -> str:
    found = _statistics(runs, key)
    deviation = found["standard_deviation"]
    return f"{found['mean']:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")


def _condition(runs: list[dict]) -> str:
    first = runs[0]
    dates, commits = (sorted({run[key] for run in runs}) for key in ("date", "commit"))
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    return (
        f"{', '.join(dates)}, commit {', '.join(commits)}, {first['hardware']}; {versions}; "
        f"recipe `{first['recipe']}`, data `{first['data']}` ({first['train_images']} training "
        f"and {first['test_images']} test images){', mixed precision' if first['amp'] else ''}"
    )
