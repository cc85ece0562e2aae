"""``tools/reproduce.py``: train the rows of a table and put them beside the paper's."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmengine.utils import import_modules_from_strings

from ..visualization import read_scalars
from .conditions import conditions
from .config import load_config
from .data import check_data
from .errors import UserError, did_you_mean
from .paper import CONFIGS, TABLES, Row
from .results import Results
from .schedule import set_epochs

_RECIPE = "imagenet10"
_TRAIN = Path(__file__).resolve().parents[2] / "tools" / "train.py"


def main(argv: list[str] | None = None) -> None:
    """Train what is not in the results yet, and write them after every run.

    Raises:
        UserError: an unknown row, missing data, or a run that failed.
        KeyboardInterrupt: with what to do next.
    """
    args = parse_args(argv)
    rows = select(args.table, args.rows)
    name = args.table if args.recipe == _RECIPE else f"{args.table}_{Path(args.recipe).stem}"
    title = f"Table {args.table[-1]}, recipe {Path(args.recipe).stem}"
    results = Results(Path(args.out) / f"{name}.json", title)
    for row in rows:
        for seed in args.seeds:
            cfg = run_config(row, args.recipe, args.epochs, args.data, args.amp)
            check_data(cfg, ("train", "val"))
            found = results.find(row.name, seed, fingerprint(cfg))
            if found:
                print(f"{row.label}, seed {seed}: done on {found['date']}", flush=True)
                continue
            folder = Path(args.work_dir) / name / f"{row.name}_seed{seed}_{fingerprint(cfg)}"
            results.add(_run(row, cfg, seed, folder))
            results.write(TABLES[args.table])
    print(f"\n{results.markdown(rows or TABLES[args.table])}")
    print(f"results: {results.write(TABLES[args.table])}")


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
        help="config of everything but the model: the paper's (imagenet10), folder, or a file",
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


def run_config(
    row: Row, recipe: str, epochs: int | None = None, data: str | None = None, amp: bool = False
) -> Config:
    """A recipe with a row's model in it."""
    file = CONFIGS / "_base_" / f"{recipe}.py"
    options = {"data_root": data} if data else {}
    cfg = load_config(str(file if file.is_file() else recipe), options)
    cfg.model = load_config(str(row.config)).model
    if epochs:
        set_epochs(cfg, epochs)
    if amp:
        cfg.optim_wrapper.type = "AmpOptimWrapper"
    return cfg


def fingerprint(cfg: Config) -> str:
    """Short hash of all that a result depends on but the seed; folders count by name."""
    settings = cfg.to_dict()
    text = json.dumps(settings, sort_keys=True, default=str)
    root = settings.get("data_root")
    if root:
        text = text.replace(json.dumps(str(root))[1:-1], Path(root).name)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _run(row: Row, cfg: Config, seed: int, folder: Path) -> dict:
    """Train in a process of its own, from its newest checkpoint if it was cut off."""
    started = conditions()
    folder.mkdir(parents=True, exist_ok=True)
    settings = fingerprint(cfg)
    cfg.randomness = dict(seed=seed)
    file = folder / "run.py"
    cfg.dump(file)
    print(f"{row.label}, seed {seed}: {folder}", flush=True)
    command = [sys.executable, str(_TRAIN), str(file), "--work-dir", str(folder), "--resume"]
    try:
        code = subprocess.run(command).returncode
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from the last checkpoint") from None
    if code:
        raise UserError(
            f"{row.label}, seed {seed}, ended with exit code {code}; its log is in {folder}. "
            f"What was measured before is kept; the same command goes on from here"
        )
    epochs = cfg.train_cfg.max_epochs
    measured = read_scalars(folder)[1].get(epochs, {})
    try:
        figures = dict(
            top1=measured["accuracy/top1"],
            loss=measured["cross_entropy/mean"],
            train_top1=measured["train/accuracy/top1"],
            train_loss=measured["train/cross_entropy/mean"],
        )
    except KeyError as error:
        raise UserError(f"{folder} has no {error} of epoch {epochs} in its log") from error
    train, test = _count(cfg)
    return dict(
        row=row.name,
        seed=seed,
        fingerprint=settings,
        **figures,
        epochs=epochs,
        recipe=Path(cfg.filename).stem,
        data=Path(cfg.data_root).name,
        train_images=train,
        test_images=test,
        amp=cfg.optim_wrapper.get("type") == "AmpOptimWrapper",
        **started,
    )


def _count(cfg: Config) -> tuple[int, int]:
    """Images in the training and in the test set."""
    import_modules_from_strings(**cfg.custom_imports)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        train, test = (
            len(DATASETS.build(dict(loader.dataset)))
            for loader in (cfg.train_dataloader, cfg.val_dataloader)
        )
    return train, test
