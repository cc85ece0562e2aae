"""An embedded task on few of its images, by the commands."""

import subprocess
from pathlib import Path

from tests.support.helpers import run_tool

IN_PROCESS = [
    f"{part}_dataloader.{key}"
    for part in ("train", "val")
    for key in ("num_workers=0", "persistent_workers=False")
]


def train_and_test(
    folder: Path, config: str, options: list[str]
) -> tuple[subprocess.CompletedProcess, str]:
    """Train a config of this package in ``wd``, test it into ``shown`` and ``found.pkl``.

    Returns:
        What has trained, and what the test printed.
    """
    options = ["--cfg-options", *options, *IN_PROCESS]
    trained = run_tool("train", f"mmresneskt::{config}", "--work-dir", "wd", *options, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    tested = run_tool("test", "wd", "--show-dir", "shown", "--out", "found.pkl", cwd=folder)
    assert tested.returncode == 0, tested.stderr
    return trained, tested.stdout + tested.stderr
