"""The curves of one run or of several, from their own logs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..files import write_whole

LOG = "vis_data/scalars.json"
_METRICS = ("accuracy/top1", "bbox_mAP", "bbox_mAP_50", "segm_mAP")
_LOSS = "cross_entropy/mean"
_ON_TRAIN = "train/"


def read_scalars(work_dir: str | Path) -> tuple[dict[int, dict], dict[int, dict]]:
    """Logged training values by iteration and evaluation results by step.

    A run that was resumed has one log for each start; where they overlap the later
    start counts, and a start from the beginning makes the earlier ones another run's.
    The last line of a run that was killed may be torn: it is left out.

    Raises:
        FileNotFoundError: the folder holds no log.
    """
    logs = sorted(Path(work_dir).glob(f"*/{LOG}"))
    if not logs:
        raise FileNotFoundError(f"{work_dir} holds no run: there is no */{LOG} in it")
    train, evaluation = dict[int, dict](), dict[int, dict]()
    for log in logs:
        lines = list(_read(log))
        steps = [line.get("iter", line["step"]) for line in lines if "loss" in line]
        if steps and train and steps[0] <= min(train):
            train, evaluation = {}, {}
        for values in lines:
            if "loss" in values:
                train[values.get("iter", values["step"])] = values
            else:
                evaluation[values["step"]] = values
    return train, evaluation


def _read(log: Path) -> Iterator[dict]:
    for line in log.read_text().splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and "step" in values:
            yield values


def plot_curves(work_dirs: str | Path | Sequence[str | Path], out_file: str | Path) -> Path:
    """Write :func:`draw_curves` into a file.

    Args:
        out_file: .png, .pdf or .svg; it is replaced whole.

    Returns:
        ``out_file``.

    Raises:
        FileNotFoundError: a folder holds no log.
    """
    figure = draw_curves(work_dirs)
    out_file = Path(out_file)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=out_file.suffix.lstrip(".") or "png")
    return write_whole(out_file, picture.getvalue())


def draw_curves(work_dirs: str | Path | Sequence[str | Path]) -> Figure:
    """Draw metrics beside losses, of one run or of several in the same picture.

    Where every run measured the losses of its training and test images after each epoch,
    those are drawn, as in the paper's figures 5 and 6; else the losses logged while
    training. Runs differ by colour, test and training images by line.

    Args:
        work_dirs: of runs; their names become the legend where there are several.

    Raises:
        FileNotFoundError: a folder holds no log.
    """
    given = [work_dirs] if isinstance(work_dirs, (str, Path)) else work_dirs
    folders = [Path(folder) for folder in given]
    several = len(folders) > 1
    runs = [read_scalars(folder) for folder in folders]
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    losses_by_epoch = all(
        any(_LOSS in values for values in evaluation.values()) for _, evaluation in runs
    )
    palette = matplotlib.colormaps["tab10" if len(folders) <= 10 else "tab20"]
    colors = {name: palette(i % palette.N) for i, name in enumerate(_names(folders))}
    for name, (train, evaluation) in zip(_names(folders), runs):
        prefix = f"{name}: " if several else ""
        color = colors[name] if several else None
        for metric in _metrics(evaluation)[: 1 if several else None]:
            # MMPretrain's accuracies are in per cent, MMDetection's APs are not
            scale = 1 if "accuracy" in metric else 100
            label = f"{prefix}{metric.split('/')[-1]}"
            _draw_pair(left, evaluation, metric, label, color, scale)
        if losses_by_epoch:
            _draw_pair(right, evaluation, _LOSS, f"{prefix}loss", color)
        else:
            _draw_training(right, train, prefix, color)
    left.set(xlabel="epoch", title="evaluation", ylabel="%", ylim=(0, 100))
    by = ("epoch", "loss") if losses_by_epoch else ("iteration", "training loss")
    right.set(xlabel=by[0], title=by[1])
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if axes.lines and not several:
            axes.legend(fontsize=8)
    if several:  # one entry for each run, where it hides no curve
        handles = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
        title = "solid: test\ndashed: training images"
        figure.legend(handles=handles, loc="outside right upper", fontsize=8, title=title)
    return figure


def _names(folders: list[Path]) -> list[str]:
    """The folders' own names, with as much of the path as tells them apart."""
    parts = [folder.absolute().parts for folder in folders]
    for length in range(1, max(map(len, parts))):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return [str(folder) for folder in folders]


def _metrics(evaluation: dict[int, dict]) -> list[str]:
    """The metrics to draw, the most telling first."""
    names = sorted({key for values in evaluation.values() for key in values})
    known = [n for n in names if n.endswith(_METRICS) and not n.startswith(_ON_TRAIN)]
    return sorted(known, key=len)


def _draw_pair(
    axes: Axes,
    evaluation: dict[int, dict],
    name: str,
    label: str,
    color: tuple | None,
    scale: float = 1,
) -> None:
    """One quantity over the epochs: solid on the test images, dashed on those trained on."""
    for key, style, where in ((name, "o-", "test"), (_ON_TRAIN + name, ".--", "train")):
        shown = sorted(step for step in evaluation if key in evaluation[step])
        if shown:
            values = [evaluation[step][key] * scale for step in shown]
            axes.plot(shown, values, style, ms=4, color=color, label=f"{label}, {where}")


def _draw_training(axes: Axes, train: dict[int, dict], prefix: str, color: tuple | None) -> None:
    """The losses logged while training; of several runs only the sums, to stay readable."""
    names = {key for values in train.values() for key in values if "loss" in key}
    for name in sorted(names if not prefix else {"loss"}):
        shown = sorted(step for step in train if name in train[step])
        width = 2 if name == "loss" else 1
        values = [train[step][name] for step in shown]
        axes.plot(shown, values, lw=width, color=color, label=f"{prefix}{name}")
