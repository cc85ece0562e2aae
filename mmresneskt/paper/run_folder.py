"""A folder with one run of a table: trained in a process of its own, and gone on with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mmengine.config import Config

from mmresneskt.runtime.errors import UserError

_CONFIG = "run.py"


def train_in(folder: Path, cfg: Config, seed: int) -> None:
    """Train in ``folder``, from its newest checkpoint if it was cut off.

    Raises:
        UserError: it failed, for one thing because another process is at it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cfg.randomness = {**(cfg.get("randomness") or {}), "seed": seed}
        cfg.dump(folder / _CONFIG)
    except OSError as error:
        raise UserError(str(error)) from error
    try:
        _tool("train", folder, "--work-dir", folder, "--resume")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from the last checkpoint") from None


def test_in(folder: Path, cfg: Config, checkpoint: Path, trusted: bool) -> Path:
    """Evaluate a checkpoint by a config's test set; return the file of its metrics.

    Args:
        trusted: load the checkpoint even if it asks for more than weights need.

    Raises:
        UserError: it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cfg.dump(folder / _CONFIG)
    trust = ["--trust-checkpoint"] if trusted else []
    _tool("test", folder, checkpoint, "--work-dir", folder, *trust)
    return max(folder.glob("*/2*.json"))  # named after the time


def _tool(name: str, folder: Path, *arguments: object) -> None:
    command = [sys.executable, "-m", "mmresneskt", name, str(folder / _CONFIG)]
    process = subprocess.Popen([*command, *map(str, arguments)])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # it has had the Ctrl-C too, and saves what it has done
        raise
    if code:
        raise UserError(f"{name} ended with exit code {code}; its log is in {folder}")
