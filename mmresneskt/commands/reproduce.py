"""``tools/reproduce.py``: train the rows of a table and put them beside the paper's."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config

from ..files import lock_folder, write_whole
from ..visualization import read_scalars
from .conditions import conditions
from .data import check_data
from .errors import UserError, did_you_mean
from .paper import TABLES, Row
from .recipe import Data, find_data, fingerprint, run_config
from .results import Results

_RECIPE = "imagenet10"
_TRAIN = Path(__file__).resolve().parents[2] / "tools" / "train.py"
_FIGURES = {
    "top1": "accuracy/top1",
    "loss": "cross_entropy/mean",
    "train_top1": "train/accuracy/top1",
    "train_loss": "train/cross_entropy/mean",
}


def main(argv: list[str] | None = None) -> None:
    """Train what is not in the results yet, and write them after every run.

    Raises:
        UserError: an unknown row, missing data, or runs that failed; the others are done.
        KeyboardInterrupt: with what to do next.
    """
    args = parse_args(argv)
    rows = select(args.table, args.rows)
    name = args.table if args.recipe == _RECIPE else f"{args.table}_{Path(args.recipe).stem}"
    title = f"Table {args.table[-1]}, recipe {Path(args.recipe).stem}"
    results = Results(Path(args.out) / f"{name}.json", title, TABLES[args.table])
    failed = []
    for row in rows:
        cfg = run_config(row, args.recipe, args.epochs, args.data, args.amp)
        check_data(cfg, ("train", "val"), "--data FOLDER")
        data = find_data(cfg)
        settings = fingerprint(cfg, data)
        for seed in args.seeds:
            found = results.find(row.name, seed, settings)
            if found:
                print(f"{row.label}, seed {seed}: done on {found['date']}", flush=True)
                continue
            folder = Path(args.work_dir) / name / f"{row.name}_seed{seed}_{settings}"
            print(f"{row.label}, seed {seed}: {folder}", flush=True)
            started = conditions()
            try:
                figures = _run(cfg, seed, folder)
            except UserError as error:
                print(f"error: {row.label}, seed {seed}: {error}", file=sys.stderr, flush=True)
                failed.append(f"{row.label} (seed {seed})")
                continue
            run = dict(row=row.name, seed=seed, fingerprint=settings, **figures)
            results.add(dict(**run, **_settings(cfg, args.recipe, data), **started))
    print(f"\n{results.markdown(rows or TABLES[args.table])}\nresults: {results.write()}")
    if failed:
        raise UserError(
            f"these failed: {', '.join(failed)}; the same command goes on from where they ended"
        )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="reproduce.py",
        description="Train the rows of Table 1 or 2. Started again, it goes on where it was.",
    )
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument(
        "--rows",
        nargs="*",
        metavar="NAME",
        help="names as in configs/NAME_imagenet10.py (default: all); without a name nothing is "
        "trained and the table is written from what is measured",
    )
    parser.add_argument("--epochs", type=_positive, help="the recipe's schedule is scaled")
    parser.add_argument("--data", metavar="FOLDER", help="with train/CLASS/* and test/CLASS/*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--recipe",
        default=_RECIPE,
        help="config of everything but the model: the paper's (imagenet10, the default), folder, "
        "folder_gpu, or a file; other recipes than the paper's have a results file of their own",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision")
    parser.add_argument("--work-dir", default="work_dirs", help="of logs and checkpoints")
    parser.add_argument("--out", default="results", help="folder of the results")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def select(table: str, names: list[str] | None) -> list[Row]:
    """The rows of a table by name, in the table's order; all where names is None.

    Raises:
        UserError: the table has no such row.
    """
    rows = {row.name: row for row in TABLES[table]}
    for name in names or ():
        if name not in rows:
            raise UserError(
                f"{table} has no row {name}.{did_you_mean(name, rows)} It has {', '.join(rows)}"
            )
    return [row for name, row in rows.items() if names is None or name in names]


def _run(cfg: Config, seed: int, folder: Path) -> dict[str, float]:
    """Train in a process of its own, from its newest checkpoint if it was cut off.

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
        _rewind(folder)
        cfg.randomness = {**(cfg.get("randomness") or {}), "seed": seed}
        file = folder / "run.py"
        cfg.dump(file)
        command = [sys.executable, str(_TRAIN), str(file), "--work-dir", str(folder), "--resume"]
        # the lock goes with the training: it outlives this process if only this is killed
        inherited = () if lock is None else (lock,)
        code = subprocess.run(command, pass_fds=inherited).returncode
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from the last checkpoint") from None
    finally:
        if lock is not None:
            os.close(lock)
    if code:
        raise UserError(f"ended with exit code {code}; its log is in {folder}")
    epochs = cfg.train_cfg.max_epochs
    measured = read_scalars(folder)[1].get(epochs, {})
    try:
        return {name: measured[key] for name, key in _FIGURES.items()}
    except KeyError as error:
        raise UserError(f"{folder} has no {error} of epoch {epochs} in its log") from error


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
        pointer.unlink()


def _settings(cfg: Config, recipe: str, data: Data) -> dict:
    return dict(
        epochs=cfg.train_cfg.max_epochs,
        recipe=Path(recipe).stem,
        data=data.name,
        train_images=data.train_images,
        test_images=data.test_images,
        amp=cfg.optim_wrapper.get("type") == "AmpOptimWrapper",
    )
