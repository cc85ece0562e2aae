"""Does a training on the device stop and go on as it should, and keep its memory?"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from mmresneskt.paper.row_speed import training_step
from mmresneskt.paper.tables import CONFIGS
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.runner import use_amp

from .work import Setting

HEADER = ("what", "outcome")
_CONFIG = str(CONFIGS / "faster_rcnn_resneskt_parcels.py")
_STOPPED = 143  # the exit code that Slurm and others expect after SIGTERM
_PATIENCE = 300  # seconds for a training to begin, and for it to end


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """A run that is stopped, its other half, one by torchrun, and 300 steps in this process."""
    checks = {
        "stop": _stop,
        "resume": _resume,
        "one process by torchrun": _torchrun,
        "memory": _memory,
    }
    return {name: functools.partial(check, setting) for name, check in checks.items()}


def _options(setting: Setting, epochs: int, images: int) -> dict[str, object]:
    return {
        "data_root": str(setting.work / "parcels"),
        "train_cfg.max_epochs": epochs,
        "train_dataloader.dataset.num_images": images,
        "val_dataloader.dataset.num_images": 4,
        "default_hooks.logger.interval": 1,
    }


def _arguments(setting: Setting, run: str, *others: str) -> list[str]:
    # long enough to be stopped in its midst
    options = _options(setting, 1 if setting.rehearse else 2, 16 if setting.rehearse else 100)
    amp = ["--amp"] if setting.device == "cuda" else []
    pairs = [f"{key}={value}" for key, value in options.items()]
    return ["--work-dir", str(setting.work / run), *amp, *others, "--cfg-options", *pairs]


def _stop(setting: Setting) -> list[list]:
    """SIGTERM once a step was logged."""
    shutil.rmtree(setting.work / "run", ignore_errors=True)  # another's log is no step of this one
    command = [sys.executable, "-m", "mmresneskt", "train", _CONFIG]
    process = subprocess.Popen([*command, *_arguments(setting, "run")])
    try:
        end = time.monotonic() + _PATIENCE
        while not _has_logged(setting.work / "run"):
            assert process.poll() is None, f"it ended with exit code {process.returncode}"
            assert time.monotonic() < end, f"no step in {_PATIENCE} s"
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        code = process.wait(_PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert code == _STOPPED, f"exit code {code}, not {_STOPPED}"
    return [["SIGTERM in training", f"exit code {code} after {time.monotonic() - start:.1f} s"]]


def _has_logged(folder: Path) -> bool:
    return any(file.stat().st_size for file in folder.rglob("scalars.json"))


def _resume(setting: Setting) -> list[list]:
    command = [sys.executable, "-m", "mmresneskt", "train", _CONFIG]
    return _to_the_end("--resume", command, setting, "run", "--resume")


def _torchrun(setting: Setting) -> list[list]:
    script = str(CONFIGS.parent / "tools" / "dist_train.sh")
    return _to_the_end("dist_train.sh CONFIG 1", [script, _CONFIG, "1"], setting, "torchrun")


def _to_the_end(
    what: str, command: list[str], setting: Setting, run: str, *others: str
) -> list[list]:
    environment = {**os.environ, "PYTHON": sys.executable}
    start = time.monotonic()
    done = subprocess.run([*command, *_arguments(setting, run, *others)], env=environment)
    assert done.returncode == 0, f"exit code {done.returncode}"
    last = (setting.work / run / "last_checkpoint").read_text()
    return [[what, f"{Path(last).name} after {time.monotonic() - start:.1f} s"]]


def _memory(setting: Setting) -> list[list]:
    """Of the allocator after 50 steps and after 300; on a CPU nothing but the steps."""
    cfg = load_config(_CONFIG, _options(setting, 1, 8))
    if setting.device == "cuda":
        use_amp(cfg)
    step = training_step(cfg)
    found = {}
    points = (1, 3) if setting.rehearse else (50, 300)
    for number in range(1, points[-1] + 1):
        step()
        if number in points:
            found[number] = torch.cuda.memory_allocated() if setting.device == "cuda" else 0
    first, last = found.values()
    assert last <= 1.01 * first, f"bytes by steps: {found}"
    text = ", ".join(f"{size / 1e6:.1f} MB at step {number}" for number, size in found.items())
    return [["memory", text]]
