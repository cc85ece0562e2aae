"""Train on the embedded data, evaluate, and draw the result."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CONFIG = "mmresneskt::faster_rcnn_resneskt_parcels.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work-dir", default="work_dirs/demo")


def run(args: argparse.Namespace) -> None:
    """Run the demonstration; print what was made and what to try next."""
    from mmresneskt.runtime.config.load import load_config
    from mmresneskt.runtime.pictures.curves import plot_curves
    from mmresneskt.runtime.pictures.detections import draw_detections
    from mmresneskt.runtime.runner import build_runner, run_checked
    from mmresneskt.runtime.work_folder import claimed

    cfg = load_config(CONFIG)
    cfg.work_dir = args.work_dir
    # the weights alone, once: a third of what a run that may be gone on with leaves behind
    cfg.default_hooks.checkpoint.update(max_keep_ckpts=1, save_optimizer=False)
    with claimed(cfg.work_dir):
        runner = build_runner(cfg)
        run_checked(runner, "train")
    folder = Path(args.work_dir)
    dataset = runner.val_dataloader.dataset
    detections = draw_detections(runner.model, dataset, folder / "detections.png")
    curves = plot_curves(folder, folder / "curves.png")
    weights = folder / f"epoch_{cfg.train_cfg.max_epochs}.pth"
    image = dataset.get_data_info(0)["img_path"]
    print(f"\ndetections beside the ground truth: {detections}; curves: {curves}")
    command = sys.argv[0] if Path(sys.argv[0]).stem == "mmresneskt" else "mmresneskt"
    predict = f"{command} predict {image} --config {CONFIG} --checkpoint {weights}"
    print(f"detect in an image: {predict}")
    print(f"train another backbone: {command} train {CONFIG} --backbone resnest50:none")
    print(f"see what it sees, on a page (needs Gradio): {command} serve {folder}")
