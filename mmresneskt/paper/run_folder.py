"""A folder with one run of a table: trained in a process of its own, and gone on with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.files import lock_folder, remove, write_whole
from mmresneskt.runtime.pictures.curves import read_scalars

_CONFIG = "run.py"


def train_in(folder: Path, cfg: Config, seed: int, evaluated: bool) -> None:
    """Train in ``folder``, from its newest checkpoint if it was cut off.

    Args:
        evaluated: the last epoch's evaluation during training is wanted: if it was cut
            off, the epoch is trained again.

    Raises:
        UserError: it failed, or another process is at it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(folder, patience=0)
    except BlockingIOError:
        raise UserError(f"another process is training in {folder}") from None
    except OSError as error:
        raise UserError(str(error)) from error
    try:
        if evaluated:
            _rewind(folder)
        cfg.randomness = {**(cfg.get("randomness") or {}), "seed": seed}
        cfg.dump(folder / _CONFIG)
        # the lock goes with the training: it outlives this process if only this is killed
        inherited = () if lock is None else (lock,)
        _tool("train", folder, "--work-dir", folder, "--resume", pass_fds=inherited)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from the last checkpoint") from None
    finally:
        if lock is not None:
            os.close(lock)


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


def _tool(name: str, folder: Path, *arguments: object, pass_fds: tuple[int, ...] = ()) -> None:
    command = [sys.executable, "-m", "mmresneskt", name, str(folder / _CONFIG)]
    process = subprocess.Popen([*command, *map(str, arguments)], pass_fds=pass_fds)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # it has had the Ctrl-C too, and saves what it has done
        raise
    if code:
        raise UserError(f"{name} ended with exit code {code}; its log is in {folder}")


def _rewind(folder: Path) -> None:
    """Have the last epoch trained again if its evaluation was cut off.

    mmengine saves before it evaluates, and does not evaluate what it has resumed from.
    """
    pointer = folder / "last_checkpoint"
    match = re.search(r"epoch_(\d+)\.pth$", pointer.read_text()) if pointer.exists() else None
    if not match:
        return
    epoch = int(match[1])
    try:
        evaluated = epoch in read_scalars(folder)[1]
    except FileNotFoundError:
        evaluated = False
    if evaluated:
        return
    before = folder / f"epoch_{epoch - 1}.pth"
    if before.exists():
        write_whole(pointer, str(before.resolve()).encode())
    else:
        remove(folder / f"epoch_{epoch}.pth")
        pointer.unlink()
