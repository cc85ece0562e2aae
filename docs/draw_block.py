"""Draw docs/block.png, the ResNeSkt block: ``python docs/draw_block.py``."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

BLUE, ORANGE, GREEN, GREY = "#cfe2f3", "#fce5cd", "#d9ead3", "#eeeeee"


def box(axes: Axes, x: float, y: float, text: str, color: str, width=2.5, height=0.7) -> None:
    """A labelled box centred on (x, y)."""
    corner = (x - width / 2, y - height / 2)
    style = dict(boxstyle="round,pad=0.02,rounding_size=0.1", fc=color, ec="#555555")
    axes.add_patch(FancyBboxPatch(corner, width, height, **style))
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5)


def arrow(axes: Axes, start: tuple, end: tuple, text: str = "") -> None:
    style = dict(arrowstyle="-|>", color="#333333")
    axes.annotate("", end, start, arrowprops=style)
    if text:
        middle = ((start[0] + end[0]) / 2 + 0.1, (start[1] + end[1]) / 2)
        axes.text(*middle, text, fontsize=8.5, va="center", color="#333333")


def block(axes: Axes) -> None:
    """Left: the residual block."""
    steps = [
        (8.3, "1x1 conv, norm, ReLU", GREY),
        (7.1, "3x3 average pooling, stride 2\n(first block of layer2 to layer4)", GREY),
        (5.9, "3x3 conv in K*R groups", BLUE),
        (4.7, "channel attention\nover the R splits", BLUE),
        (3.5, "spatial-kernel attention", ORANGE),
        (2.3, "1x1 conv, norm", GREY),
        (1.2, "+", GREEN),
    ]
    for y, text, color in steps:
        width, height = (0.6, 0.5) if text == "+" else (3.2, 0.75)
        box(axes, 2, y, text, color, width, height)
    labels = {5.9: "U: N, R*C, H, W", 4.7: "V: N, C, H, W", 3.5: "V * gate"}
    for (above, _, _), (below, text, _) in zip(steps, steps[1:]):
        arrow(axes, (2, above - 0.38), (2, below + (0.25 if text == "+" else 0.38)))
        if above in labels:
            axes.text(2.15, (above + below) / 2, labels[above], fontsize=8.5, va="center")
    arrow(axes, (2, 9.45), (2, 8.68))
    axes.text(2.1, 9.3, "input: N, C_in, H, W", fontsize=8.5, va="center")
    arrow(axes, (2, 0.95), (2, 0.3), "ReLU")
    axes.plot([2, 4.1, 4.1], [9.05, 9.05, 1.2], color="#333333", lw=1)
    arrow(axes, (4.1, 1.2), (2.3, 1.2))
    axes.text(4.2, 5.3, "shortcut\n(pooled, 1x1)", fontsize=8.5, rotation=90, va="center")


def attention(axes: Axes) -> None:
    """Right: what the spatial attention does with one of its K groups."""
    x = 8.6
    axes.text(x, 9.35, "spatial-kernel attention, per group", ha="center", fontsize=11)
    box(axes, x, 8.6, "V: C/K, H, W", ORANGE)
    for dx, text in ((-1.9, "average"), (0, "maximum"), (1.9, "GeM, p = 3")):
        box(axes, x + dx, 7.5, text, GREY, 1.7, 0.6)
        arrow(axes, (x, 8.23), (x + dx, 7.83))
        arrow(axes, (x + dx, 7.18), (x + dx * 0.3, 6.72))
    box(axes, x, 6.4, "3 maps: 3, H, W", ORANGE, 2.5, 0.6)
    for dx, text in ((-1.6, "3x3 conv"), (1.6, "5x5 conv")):
        box(axes, x + dx, 5.3, f"{text}: H, W", BLUE, 2.0, 0.6)
        arrow(axes, (x + dx * 0.4, 6.08), (x + dx, 5.63))
        arrow(axes, (x + dx, 4.98), (x + dx * 0.25, 4.55))
        arrow(axes, (x + dx, 4.98), (x + dx, 2.45))
    box(axes, x, 4.25, "sum, mean over H, W: T", GREY, 2.3, 0.55)
    arrow(axes, (x, 3.95), (x, 3.63))
    box(axes, x, 3.3, "dense, norm, ReLU,\ndense, softmax", GREY, 2.3, 0.65)
    arrow(axes, (x, 2.95), (x, 2.5), "weights, sum 1")
    box(axes, x, 2.15, "weighted sum of the branches: U", ORANGE, 4.6, 0.6)
    arrow(axes, (x, 1.83), (x, 1.38))
    box(axes, x, 1.05, "V * 2 sigmoid(U)", GREEN, 2.5, 0.6)


def main() -> None:
    figure = Figure(figsize=(9.6, 7.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 11.6), ylim=(0.2, 9.7))
    axes.axis("off")
    block(axes)
    attention(axes)
    figure.savefig(Path(__file__).with_name("block.png"), dpi=100)


if __name__ == "__main__":
    main()
