"""Rows of the paper's tables by ``mmresneskt reproduce``, all rows with one seed a step."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from mmresneskt.runtime.conditions import cores

from .work import Setting

_MEMORY = 8e9  # bytes of the card for each training


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

    def measure(seed: int) -> list[list]:
        """Small batches leave a large card idle: as many rows at once as it has room for."""
        command = [sys.executable, "-m", "mmresneskt", "reproduce", table, "--recipe", recipe]
        command += ["--seeds", str(seed), *arguments]
        command += ["--work-dir", str(setting.work), "--out", str(setting.out)]
        jobs = 1
        if setting.device == "cuda":
            command.append("--amp")
            memory = torch.cuda.get_device_properties(0).total_memory
            jobs = max(1, min(int(memory // _MEMORY), cores() // 2))

        def run(row: str) -> int:  # what it prints is in the log
            return subprocess.run([*command, "--rows", row]).returncode

        with ThreadPoolExecutor(jobs) as pool:
            codes = dict(zip(rows, pool.map(run, rows)))
        runs = json.loads((setting.out / f"{table}_{recipe}.json").read_text())["runs"]
        found = {run["row"]: run for run in runs if run["seed"] == seed}
        assert not any(codes.values()), f"exit codes {codes}; done: {', '.join(found) or 'none'}"
        return [[row, seed, *(found[row][figure] for figure in figures)] for row in rows]

    return {f"seed {seed}": functools.partial(measure, seed) for seed in seeds}
