"""Rows of the paper's tables by ``mmresneskt reproduce``, each row and seed a step."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence

from .work import Setting


def steps(
    setting: Setting,
    table: str,
    recipe: str,
    rows: Sequence[str],
    seeds: Sequence[int],
    arguments: Sequence[str],
    figures: Sequence[str],
) -> dict[str, Callable[[], list[list]]]:
    """All rows with the first seed, then with the next.

    Args:
        arguments: more of the command, such as ``--data``.
        figures: of a run, as the JSON file of the results names them; the columns after row and
            seed.
    """
    return {
        f"{row}, seed {seed}": functools.partial(
            _run, setting, table, recipe, row, seed, arguments, figures
        )
        for seed in seeds
        for row in rows
    }


def _run(
    setting: Setting,
    table: str,
    recipe: str,
    row: str,
    seed: int,
    arguments: Sequence[str],
    figures: Sequence[str],
) -> list[list]:
    command = [sys.executable, "-m", "mmresneskt", "reproduce", table, "--recipe", recipe]
    command += ["--rows", row, "--seeds", str(seed), *arguments]
    command += ["--work-dir", str(setting.work), "--out", str(setting.out)]
    if setting.device == "cuda":
        command.append("--amp")
    # what it prints is in the log
    subprocess.run(command, check=True)
    runs = json.loads((setting.out / f"{table}_{recipe}.json").read_text())["runs"]
    found = [run for run in runs if (run["row"], run["seed"]) == (row, seed)][-1]
    return [[row, seed, *(found[figure] for figure in figures)]]
