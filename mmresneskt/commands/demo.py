"""``tools/demo.py``: train on the embedded data, evaluate, and draw the result."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..visualization import draw_detections, plot_curves
from .config import load_config
from .runner import build_runner, run

CONFIG = Path("configs/faster_rcnn_resneskt_parcels.py")


def main(argv: list[str] | None = None) -> None:
    """Run the demonstration; prints where its two pictures are."""
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__)
    parser.add_argument("--work-dir", default="work_dirs/demo")
    args = parser.parse_args(argv)
    root = Path(__file__).resolve().parents[2]
    cfg = load_config(str(root / CONFIG))
    cfg.work_dir = args.work_dir
    runner = build_runner(cfg)
    run(runner, "train")
    folder = Path(args.work_dir)
    detections = draw_detections(
        runner.model, runner.val_dataloader.dataset, folder / "detections.png"
    )
    curves = plot_curves(folder, folder / "curves.png")
    print(f"detections beside the ground truth: {detections}\ntraining curve: {curves}")
