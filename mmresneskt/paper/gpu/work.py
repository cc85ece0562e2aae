"""One part in a process of its own: ``python -m mmresneskt.paper.gpu.work PART JSON --work DIR``.

A part is a module here with ``HEADER``, the columns of its table, and ``steps(setting)``: by
name the functions that each measure something and return rows. What a step raises is written
down, and the next one runs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from .record import Record

EXIT_BROKEN = 75
"""The device is of no use to this process any more: start another for the steps left."""
# a kernel's error stays with the process: each later call on the device would raise it again
_LASTING = ("CUDA error", "cuBLAS", "CUDNN_STATUS", "device-side assert")


@dataclass(frozen=True)
class Setting:
    """What a part is given.

    Attributes:
        out: the folder of results.
        work: a folder of the part's own for everything else.
        rehearse: at toy size.
        bccd, photos: data, None where it is not there.
    """

    out: Path
    work: Path
    rehearse: bool = False
    bccd: Path | None = None
    photos: Path | None = None

    @property
    def device(self) -> str:
        return "cuda" if torch.cuda.is_available() else "cpu"


def work(part: str, path: Path, setting: Setting) -> int:
    """Take the steps that the file does not have; return the exit code."""
    module = importlib.import_module(f".{part}", __package__)
    record = Record(path)
    record.start(module.HEADER, setting.rehearse)
    for name, step in module.steps(setting).items():
        if record.has(name):
            continue
        record.update(running=name)
        start = time.monotonic()
        try:
            rows = step()
        except Exception as error:  # whatever a device, a driver or a library raises
            traceback.print_exc()
            message = " ".join(f"{type(error).__name__}: {error}".split())
            record.fail(name, message[:500])
            if any(word in message for word in _LASTING) and "out of memory" not in message:
                return EXIT_BROKEN
        else:
            record.add(name, rows)
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
        if setting.device == "cuda":
            torch.cuda.empty_cache()
    failed = bool(record.content["failed"])
    record.update(ended=True, complete=not failed)
    return int(failed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part")
    parser.add_argument("json", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bccd", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    setting = Setting(args.json.parent, args.work, args.rehearse, args.bccd, args.photos)
    sys.exit(work(args.part, args.json, setting))


if __name__ == "__main__":
    main()
