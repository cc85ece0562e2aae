"""Measure on a GPU, in the minutes that there are, what this package claims of it.

Every part runs in a process of its own and writes what it measures at once. Started again, the
command goes on with what is missing.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from mmresneskt.runtime.errors import UserError, did_you_mean

_DATA = ("bccd", "photos")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=_minutes, default=9, help="default: %(default)s")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the results (default: results/gpu; of a rehearsal a temporary one)",
    )
    parser.add_argument(
        "--bccd", type=Path, metavar="FOLDER", help="blood cells in Pascal VOC's layout"
    )
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="FOLDER|TAR.GZ",
        help="photographs, train/CLASS/* and test/CLASS/* in it",
    )
    parser.add_argument(
        "--parts",
        nargs="*",
        metavar="NAME",
        help="run these only, also if they are complete (default: all that are not); without a "
        "name nothing is run, and the report is written from what is measured",
    )
    parser.add_argument("--rehearse", action="store_true", help="everything at toy size on the CPU")


def run(args: argparse.Namespace) -> None:
    """Measure; exit code 1 if a part failed or had too little time.

    Raises:
        UserError: there is no GPU, no such part or no such data, or nothing can be written.
    """
    import torch

    from mmresneskt.paper.gpu.parts import PARTS
    from mmresneskt.paper.gpu.session import run_session
    from mmresneskt.paper.gpu.work import Setting

    names = [part.name for part in PARTS]
    for name in args.parts or ():
        if name not in names:
            hint = did_you_mean(name, names)
            raise UserError(f"--parts {name}: there are {', '.join(names)}.{hint}")
    for name in _DATA:
        path = getattr(args, name)
        if path and not path.exists():
            raise UserError(f"--{name} {path} does not exist")
    if args.parts != [] and not args.rehearse and not torch.cuda.is_available():
        raise UserError("torch sees no GPU; --rehearse runs everything at toy size on the CPU")
    out = args.out
    if out is None:
        out = Path(tempfile.mkdtemp(prefix="gpu-") if args.rehearse else "results/gpu")
    out = out.resolve()
    data = {name: path and path.resolve() for name, path in vars(args).items() if name in _DATA}
    # its parts' processes are ended by an exception, which a signal alone is not
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    setting = Setting(out, out / "work", args.rehearse, **data)
    try:
        done = run_session(PARTS, setting, args.minutes, args.parts)
    except OSError as error:
        raise UserError(f"--out: {error}") from error
    print(f"results: {out / 'gpu.md'}")
    if not done:
        sys.exit(1)
    if args.rehearse:  # a gigabyte of checkpoints that nothing was learned from
        shutil.rmtree(setting.work, ignore_errors=True)


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no length of time")
    return value
