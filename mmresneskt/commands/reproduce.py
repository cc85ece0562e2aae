"""``tools/reproduce.py``: train the rows of a table and put them beside the paper's."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..checkpoint import trust
from ..checks import missing_data, report
from . import classification_table, detection_table
from .arguments import add_trust_argument, positive
from .conditions import conditions
from .errors import UserError, did_you_mean
from .layout import CLASSIFICATION, DETECTION
from .paper import TABLES, DetectionRow, Row
from .recipe import Data, find_data, fingerprint
from .results import Results
from .row_speed import row_speed
from .runner import uses_amp
from .trained import dataset_meta, read_checkpoint


def main(argv: list[str] | None = None) -> None:
    """Train what is not in the results yet, and write them after every run.

    Raises:
        UserError: an unknown row, missing data, or runs that failed; the others are done.
        KeyboardInterrupt: with what to do next.
    """
    args = parse_args(argv)
    trust(args.trust_checkpoint)
    detects = args.table == "table3"
    table = detection_table if detects else classification_table
    own = "coco" if detects else "imagenet10"  # the paper's own data
    recipe = args.recipe or own
    all_rows = detection_table.rows_of(recipe) if detects else TABLES[args.table]
    rows = select(args.table, all_rows, args.rows)
    # Table 3's name says on which data it is, since its rows say "COCO" in the paper
    plain = recipe == own and not detects
    name = args.table if plain else f"{args.table}_{Path(recipe).stem}"
    title = f"Table {args.table[-1]}, recipe {Path(recipe).stem}"
    layout = DETECTION if detects else CLASSIFICATION
    results = Results(Path(args.out) / f"{name}.json", title, all_rows, layout)
    given = args.checkpoint and Path(args.checkpoint)
    parts, known = ["train", table.EVALUATED_ON], {}
    if given:  # who evaluates a checkpoint need not have the data that it was trained on
        parts.remove("train")
        known["classes"] = dataset_meta(read_checkpoint(args.checkpoint)).get("classes")
    configs = {}
    for row in rows:
        cfg = table.run_config(row, recipe, args.epochs, args.data, args.amp, **known)
        report(missing_data(cfg, parts, "--data FOLDER"))
        configs[row] = cfg
    if args.speed and configs:
        results.set_speed(row_speed({row.name: cfg for row, cfg in configs.items()}))
        configs = {}
    failed = []
    for row, cfg in configs.items():
        data = find_data(cfg, table.EVALUATED_ON, trains=not given)
        settings = fingerprint(cfg, data, table.EVALUATED_ON)
        for seed in [given.name] if given else args.seeds:
            run = dict(row=row.name, seed=seed, fingerprint=settings)
            if given:
                run["checkpoint"] = hashlib.sha256(given.read_bytes()).hexdigest()[:10]
            found = results.find(run)
            if found:
                print(f"{row.label}, seed {seed}: done on {found['date']}", flush=True)
                continue
            folder = Path(args.work_dir) / name / f"{row.name}_seed{seed}_{settings}"
            print(f"{row.label}, seed {seed}: {folder}", flush=True)
            started = conditions()
            try:
                if given:
                    figures = detection_table.evaluate(cfg, given, folder, args.trust_checkpoint)
                else:
                    figures = table.run(cfg, seed, folder)
            except UserError as error:
                print(f"error: {row.label}, seed {seed}: {error}", file=sys.stderr, flush=True)
                failed.append(f"{row.label} (seed {seed})")
                continue
            kept = dict(**run, **figures, **_settings(cfg, recipe, data), **started)
            # how long a given checkpoint was trained is not known
            results.add(dict(kept, epochs="-") if given else kept)
    print(f"\n{results.markdown(rows or all_rows)}\nresults: {results.write()}")
    if failed:
        raise UserError(
            f"these failed: {', '.join(failed)}; the same command goes on from where they ended"
        )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="reproduce.py",
        description="Train the rows of a table. Started again, it goes on where it was.",
    )
    parser.add_argument("table", choices=[*TABLES, "table3"])
    parser.add_argument(
        "--rows",
        nargs="*",
        metavar="NAME",
        help="names as in configs/NAME_imagenet10.py and configs/faster_rcnn_NAME.py (default: "
        "all); without a name nothing is trained and the table is written from what is measured",
    )
    parser.add_argument("--epochs", type=positive, help="the recipe's schedule is scaled")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="Tables 1 and 2: train/CLASS/* and test/CLASS/* in it; Table 3: as COCO or VOC",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--recipe",
        help="Tables 1 and 2: config of everything but the model, the paper's (imagenet10, the "
        "default), folder, folder_gpu, or a file; Table 3: coco (the default), voc or parcels. "
        "Each has a results file of its own",
    )
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision, on a GPU")
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="Table 3: evaluate this for the one row given, instead of training",
    )
    parser.add_argument(
        "--speed",
        action="store_true",
        help="Table 3: instead of training, measure images per second and memory of the rows, side "
        "by side in one run",
    )
    add_trust_argument(parser)
    parser.add_argument("--work-dir", default="work_dirs", help="of logs and checkpoints")
    parser.add_argument("--out", default="results", help="folder of the results")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if (args.checkpoint or args.speed) and args.table != "table3":
        parser.error("--checkpoint and --speed are for table3")
    if args.checkpoint and (len(args.rows or ()) != 1 or not Path(args.checkpoint).is_file()):
        parser.error("--checkpoint takes a file, and the one row that it belongs to by --rows")
    return args


def select(
    table: str, rows: Sequence[Row | DetectionRow], names: list[str] | None
) -> list[Row | DetectionRow]:
    """The rows of a table by name, in the table's order; all where names is None.

    Raises:
        UserError: the table has no such row.
    """
    known = {row.name: row for row in rows}
    for name in names or ():
        if name not in known:
            raise UserError(
                f"{table} has no row {name}.{did_you_mean(name, known)} It has {', '.join(known)}"
            )
    return [row for name, row in known.items() if names is None or name in names]


def _settings(cfg: Config, recipe: str, data: Data) -> dict:
    return dict(
        epochs=cfg.train_cfg.max_epochs,
        recipe=Path(recipe).stem,
        data=data.name,
        train_images=data.train_images,
        test_images=data.test_images,
        amp=uses_amp(cfg),
    )
