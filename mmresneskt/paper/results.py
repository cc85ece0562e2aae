"""The file that holds what was measured for a table, as JSON and as Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from mmresneskt.runtime.conditions import as_text
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.files import folder_locked, write_whole
from mmresneskt.runtime.text_table import format_table

from .layout import Layout
from .tables import DetectionRow, Row

Rows = Sequence[Row | DetectionRow]

_NOT_MEASURED = "not measured"
_ENDING = ("epochs", "seeds", "conditions")
_CONDITIONS = ("fingerprint", "epochs", "recipe", "data", "amp", "hardware", "versions")
_KEYS = {"row", "seed", "date", "commit", "train_images", "test_images", *_CONDITIONS}
# runs that agree in these are one way of running, of which the mean is taken; a checkpoint that
# was given, and evaluated only, is one by itself
_SETTINGS = (*_CONDITIONS, "checkpoint")


class Results:
    """Runs measured so far: each a dict with ``row``, ``seed``, its figures and conditions.

    Args:
        path: the JSON file; it need not be there yet. A Markdown file is kept beside it.
        title: of the table.
        rows: of the table.
        layout: of the table.

    Raises:
        UserError: the file holds something else, or the folder cannot be written.
    """

    def __init__(self, path: Path, title: str, rows: Rows, layout: Layout) -> None:
        self.path, self.title, self.rows, self.layout = path, title, rows, layout
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.runs, self.speed = self._read()
        except OSError as error:
            raise UserError(f"results cannot be kept in {path.parent}: {error}") from error

    def find(self, run: dict) -> dict | None:
        """The run with this one's row, seed, fingerprint and checkpoint, if there is one."""
        return next((r for r in self.runs if _identity(r) == _identity(run)), None)

    def add(self, run: dict) -> None:
        """Add a run, beside what other processes have added since, and write."""
        self._update([run])

    def write(self) -> Path:
        """Write both files, each whole or not at all; return the Markdown one."""
        self._update([])
        return self.path.with_suffix(".md")

    def set_speed(self, speed: dict) -> None:
        """Keep what :func:`mmresneskt.paper.row_speed.row_speed` found."""
        self._update([], speed)

    def markdown(self, rows: Rows) -> str:
        """One line for each row and each way it was run, with the conditions below."""
        layout = self.layout
        header = ["network", *(h for h, *_ in (*layout.printed, *layout.shown)), *_ENDING]
        lines, conditions = [], []
        for row in rows:
            start = [row.label, *(getattr(row, attribute) for _, attribute, _ in layout.printed)]
            groups = self._groups(row)
            if not groups:
                rest = [""] * (len(header) - len(start) - 1)
                lines.append([*start, _NOT_MEASURED, *rest])
            for runs in groups:
                condition = _condition(runs)
                if condition not in conditions:
                    conditions.append(condition)
                cells = [_mean(runs, figure) for _, figure in layout.shown]
                seeds = ", ".join(str(run["seed"]) for run in runs)
                number = conditions.index(condition) + 1
                lines.append([*start, *cells, runs[0]["epochs"], seeds, number])
        table = format_table(header, lines, markdown=True)
        notes = [f"{i}. {text}" for i, text in enumerate(conditions, start=1)]
        parts = [f"# {self.title}", "", table, "", layout.note, "", *notes, *self._speed_lines()]
        return "\n".join(parts).rstrip() + "\n"

    def _speed_lines(self) -> list[str]:
        if not self.speed:
            return []
        labels = {row.name: row.label for row in self.rows}
        cells = [
            [
                labels[name],
                *(f"{found[key]:.3g}" for key in ("images_per_second", "spread", "memory")),
            ]
            for name, found in self.speed["rows"].items()
        ]
        mixed = ", mixed precision" if self.speed.get("amp") else ""
        header = ("network", "images/s in training", "spread (%)", "memory (GB)")
        return [
            "",
            "## Training speed and memory, side by side in one run",
            "",
            format_table(header, cells, markdown=True),
            "",
            f"{as_text(self.speed)}; batches of {self.speed['batch_size']}{mixed}, median of "
            f"{self.speed['rounds']} rounds of one step of each network in turn, spread from first "
            f"to third quartile. Memory: {self.speed['memory_is']}.",
        ]

    def _update(self, runs: list[dict], speed: dict | None = None) -> None:
        with folder_locked(self.path.parent, patience=60):
            before, kept = self._read()
            merged = {_identity(run): run for run in (*before, *runs)}
            self.runs, self.speed = list(merged.values()), speed or kept
            document: dict = dict(title=self.title, rows=self._summary(), runs=self.runs)
            if self.speed:
                document["speed"] = self.speed
            write_whole(self.path, (json.dumps(document, indent=1) + "\n").encode())
            write_whole(self.path.with_suffix(".md"), self.markdown(self.rows).encode())

    def _read(self) -> tuple[list[dict], dict]:
        if not self.path.exists():
            return [], {}
        try:
            document = json.loads(self.path.read_text())
            runs, speed = document["runs"], document.get("speed", {})
            fits = all(run.keys() >= {*_KEYS, *self.layout.figures} for run in runs)
        except (ValueError, KeyError, TypeError, AttributeError):
            fits = False
        if not fits:
            raise UserError(f"{self.path} does not hold results: move it away and start again")
        return runs, speed

    def _groups(self, row: Row | DetectionRow) -> list[list[dict]]:
        groups: dict[str, list[dict]] = {}
        for run in self.runs:
            if run["row"] == row.name:
                key = json.dumps([run.get(name) for name in _SETTINGS], sort_keys=True)
                groups.setdefault(key, []).append(run)
        return [sorted(runs, key=lambda run: run["seed"]) for runs in groups.values()]

    def _summary(self) -> list[dict]:
        """The table as data: the paper's figure of each row, and the means measured."""
        summary = []
        for row in self.rows:
            measured = [
                dict(
                    **{key: _statistics(runs, key) for key in self.layout.figures},
                    epochs=runs[0]["epochs"],
                    seeds=[run["seed"] for run in runs],
                    conditions=_condition(runs),
                )
                for runs in self._groups(row)
            ]
            printed = {key: getattr(row, name) for _, name, key in self.layout.printed}
            line = dict(network=row.label, row=row.name, **printed)
            summary.append(dict(**line, measured=measured or _NOT_MEASURED))
        return summary


def _identity(run: dict) -> tuple:
    return run["row"], run["seed"], run["fingerprint"], run.get("checkpoint")


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
    trained_on = first["train_images"]  # None where a checkpoint was given
    images = f"{'' if trained_on is None else f'{trained_on} training and '}{first['test_images']}"
    dates, commits = (", ".join(sorted({r[key] for r in runs})) for key in ("date", "commit"))
    return (
        f"{as_text(dict(first, date=dates, commit=commits))}; "
        f"recipe `{first['recipe']}`, data `{first['data']}` ({images} test images)"
        f"{', mixed precision' if first['amp'] else ''}"
    )
