"""Draw docs/attention.png: the gates and the kernel choices of trained detectors.

``python docs/draw_attention.py WORK_DIR [WORK_DIR ...]``: over the test images of each, in a row
of panels each.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine import track_iter_progress
from mmengine.registry import DATASETS

from mmresneskt.network.attention_maps import BlockAttention, spatial_attention
from mmresneskt.runtime.work_folder import checkpoint_of

BLUES = ("#c6dbef", "#6baed6", "#08519c")


def draw_gates(axes: Axes, blocks: list[tuple[BlockAttention, ...]]) -> None:
    """Of each block, the middle 90 % and the middle 50 % of all positions, and the median."""
    gates = [np.concatenate([image.gate.ravel() for image in images]) for images in blocks]
    whiskers = [np.percentile(gate, [5, 25, 50, 75, 95]) for gate in gates]
    keys = ("whislo", "q1", "med", "q3", "whishi")
    axes.bxp([dict(zip(keys, w)) for w in whiskers], range(len(gates)), showfliers=False)
    axes.set_ylabel("gate")


def draw_choices(axes: Axes, blocks: list[tuple[BlockAttention, ...]]) -> None:
    """Of each block, the mean weight of each kernel size, and its deviation between images."""
    weights = np.stack([[image.weights.mean(0) for image in images] for images in blocks], 1)
    shares, deviations = weights.mean(0).T, weights.std(0).T
    bottom = np.zeros(len(blocks))
    for size, color, share, deviation in zip(blocks[0][0].kernels, BLUES, shares, deviations):
        style = dict(bottom=bottom, color=color, yerr=deviation, ecolor="tab:orange")
        axes.bar(range(len(blocks)), share, label=f"{size}x{size}", **style)
        bottom += share
    axes.legend(ncols=len(shares), loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    axes.set(ylabel="weight of a kernel size", ylim=(0, 1))


def main(*work_dirs: str) -> None:
    from mmdet.apis import init_detector  # once mmcv's operators are there

    figure = Figure(figsize=(11, 3 * len(work_dirs)), layout="constrained")
    for row, work_dir in zip(figure.subplots(len(work_dirs), 2, squeeze=False), work_dirs):
        config = next(Path(work_dir).glob("*.py"))
        model = init_detector(config, checkpoint_of(Path(work_dir)).name, device="cpu")
        images = DATASETS.build(model.cfg.test_dataloader.dataset)
        files = [images.get_data_info(i)["img_path"] for i in range(len(images))]
        found = [spatial_attention(model, file) for file in track_iter_progress(files)]
        blocks = list(zip(*found))
        draw_gates(row[0], blocks)
        draw_choices(row[1], blocks)
        form = model.cfg.model.backbone.get("spatial_attention", "paper")
        row[0].set_title(f"spatial_attention={form!r}")
        for axes in row:
            names = [f"{block[0].stage}.{block[0].block}" for block in blocks]
            axes.set_xticks(range(len(blocks)), names, fontsize=8)
            axes.set_xlabel("stage and block")
    figure.savefig(Path(__file__).with_name("attention.png"), dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
