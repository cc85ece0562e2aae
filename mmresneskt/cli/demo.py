"""Train on the embedded data, evaluate, and draw the result."""

from __future__ import annotations

import argparse
from pathlib import Path

CONFIG = "mmresneskt::faster_rcnn_resneskt_parcels.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work-dir", default="work_dirs/demo")


def run(args: argparse.Namespace) -> None:
    """Run the demonstration; prints where its two pictures are."""
    from mmresneskt.runtime.config.load import load_config
    from mmresneskt.runtime.pictures.curves import plot_curves
    from mmresneskt.runtime.pictures.detections import draw_detections
    from mmresneskt.runtime.runner import build_runner, run_checked

    cfg = load_config(CONFIG)
    cfg.work_dir = args.work_dir
    runner = build_runner(cfg)
    run_checked(runner, "train")
    folder = Path(args.work_dir)
    detections = draw_detections(
        runner.model, runner.val_dataloader.dataset, folder / "detections.png"
    )
    curves = plot_curves(folder, folder / "curves.png")
    print(f"detections beside the ground truth: {detections}\ntraining curve: {curves}")
