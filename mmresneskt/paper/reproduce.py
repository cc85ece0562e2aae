"""Train the rows of a table and put them beside the paper's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmresneskt.data.embedded import embedded
from mmresneskt.runtime.checkpoint.integrity import hash_of
from mmresneskt.runtime.conditions import conditions
from mmresneskt.runtime.errors import UserError, did_you_mean
from mmresneskt.runtime.preflight import missing_data, report
from mmresneskt.runtime.runner import uses_amp
from mmresneskt.runtime.trained import dataset_meta, read_checkpoint

from . import classification_table, detection_table
from .layout import CLASSIFICATION, DETECTION
from .recipe import Data, find_data, fingerprint
from .results import Results
from .row_speed import row_speed
from .tables import TABLES, DetectionRow, Row


def reproduce(args: argparse.Namespace) -> None:
    """Train what is not in the results yet, and write them after every run.

    Args:
        args: of the command ``reproduce``.

    Raises:
        UserError: an unknown row, missing data, or runs that failed; the others are done.
        KeyboardInterrupt: with what to do next.
    """
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
        known["classes"] = dataset_meta(read_checkpoint(args.checkpoint), args.checkpoint).get(
            "classes"
        )
    configs = {}
    for row in rows:
        cfg = table.run_config(row, recipe, args.epochs, args.data, args.amp, **known)
        report(missing_data(cfg, parts, "--data FOLDER", embedded(cfg)))
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
                run["checkpoint"] = hash_of(str(given))[:10]
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
