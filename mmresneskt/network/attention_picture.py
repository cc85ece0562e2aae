"""A picture of the spatial attention of each stage on one image."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.model import BaseModel
from torch import Tensor

from mmresneskt.runtime.errors import printable

from .attention_maps import BlockAttention, attend

_MAP = "turbo"
_WIDTH = 3.2  # inches of a column


def draw_spatial_attention(model: BaseModel, image: str | Path) -> np.ndarray:
    """The last block of every stage: its gate over the image, and its kernels' weights.

    The image is drawn as the backbone sees it, resized and cropped by the config's test
    pipeline. Every gate has a range of colours of its own, stated beside it; groups are
    averaged.

    Args:
        model, image: of :func:`spatial_attention`.

    Returns:
        RGB, uint8, (height, width, 3).

    Raises:
        ValueError: see :func:`spatial_attention`.
    """
    blocks, seen, inputs = attend(model, image)
    last = {block.stage: block for block in blocks}
    shown = _displayed(seen)
    height, width = shown.shape[:2]
    columns = 1 + len(last)
    # very long or very tall images leave room for the words, and for the screen
    size = (_WIDTH * columns, _WIDTH * 0.8 * min(max(height / width, 0.3), 3) + 1.9)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    canvas = FigureCanvasAgg(figure)
    ratios = dict(height_ratios=[size[1] - 1.9, 1])
    axes = figure.subplots(2, columns, squeeze=False, gridspec_kw=ratios)
    axes[0, 0].imshow(shown)
    name = printable(Path(image).name)
    axes[0, 0].set_title(f"{name}\nas the network sees it", fontsize=10, parse_math=False)
    note = "above: factor of each position\n(1: unchanged), own scale each\n"
    axes[1, 0].text(
        0,
        0.5,
        f"{note}right: weight of each kernel size,\nthe largest in blue",
        fontsize=9,
        va="center",
    )
    grey = cv2.cvtColor(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    for column, block in enumerate(last.values(), start=1):
        _draw_gate(axes[0, column], grey, block, tuple(inputs.shape[2:]))
        _draw_weights(axes[1, column], block)
    for axis in (*axes[0], axes[1, 0]):
        axis.axis("off")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _displayed(seen: Tensor) -> np.ndarray:
    """The pipeline's image (C, h, w), BGR as the MM libraries have it, as RGB (h, w, 3)."""
    pixels = seen.permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels[..., ::-1].clip(0, 255).astype(np.uint8))


def _draw_gate(
    axes: Axes, grey: np.ndarray, block: BlockAttention, padded: tuple[int, ...]
) -> None:
    gate = _without_padding(block.gate.mean(0), grey, padded)
    low, high = float(gate.min()), float(gate.max())
    axes.imshow(grey)
    limits = axes.get_xlim(), axes.get_ylim()
    rows, columns = gate.shape
    bottom, right = (n * p / g for n, p, g in zip(gate.shape, padded, block.gate.shape[1:]))
    heat = axes.imshow(
        gate,
        cmap=_MAP,
        alpha=0.55,
        interpolation="bilinear",
        extent=(-0.5, right - 0.5, bottom - 0.5, -0.5),
        vmin=low,
        vmax=high if high > low else low + 1e-6,
    )
    axes.set(xlim=limits[0], ylim=limits[1])  # the last row and column may reach beyond
    axes.set_title(
        f"stage {block.stage}, block {block.block}: {columns}x{rows}\n{low:.3f} to {high:.3f}",
        fontsize=10,
    )
    bar = axes.figure.colorbar(heat, ax=axes, fraction=0.046, pad=0.02)
    ticks = [low, (low + high) / 2, high] if high > low else [low]
    bar.set_ticks(ticks, labels=[f"{tick:.3f}" for tick in ticks], fontsize=8)


def _without_padding(gate: np.ndarray, image: np.ndarray, padded: tuple[int, ...]) -> np.ndarray:
    """The part of a gate (H, W) that lies on the image, or it would widen the range."""
    rows, columns = (
        math.ceil(cells * side / whole)
        for cells, side, whole in zip(gate.shape, image.shape, padded)
    )
    return gate[:rows, :columns]


def _draw_weights(axes: Axes, block: BlockAttention) -> None:
    names = [f"{size}x{size}" for size in block.kernels]
    weights = block.weights.mean(0)
    colors = ["tab:blue" if weight == weights.max() else "silver" for weight in weights]
    bars = axes.barh(names, weights, color=colors, height=0.6)
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=9)
    axes.set(xlim=(0, 1.2), xticks=[0, 0.5, 1])
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
