"""The training curve of a run, from its own log."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

LOG = "vis_data/scalars.json"


def read_scalars(work_dir: str | Path) -> tuple[dict[int, dict], dict[int, dict]]:
    """Logged training values by iteration and evaluation results by step.

    A run that was resumed has one log for each start; where they overlap the later
    start counts.

    Raises:
        FileNotFoundError: the folder holds no log.
    """
    logs = sorted(Path(work_dir).glob(f"*/{LOG}"))
    if not logs:
        raise FileNotFoundError(f"{work_dir} holds no run: there is no */{LOG} in it")
    train, evaluation = {}, {}
    for log in logs:
        for line in log.read_text().splitlines():
            values = json.loads(line)
            if "loss" in values:
                train[values.get("iter", values["step"])] = values
            else:
                evaluation[values["step"]] = values
    return train, evaluation


def plot_curves(work_dir: str | Path, out_file: str | Path) -> Path:
    """Draw the losses over the iterations, and the metrics where there are any."""
    train, evaluation = read_scalars(work_dir)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = sorted(train)
    for name in sorted({k for v in train.values() for k in v if "loss" in k}):
        shown = [s for s in steps if name in train[s]]
        left.plot(shown, [train[s][name] for s in shown], lw=2 if name == "loss" else 1, label=name)
    left.set(xlabel="iteration", ylabel="loss", title="training")
    left.legend(fontsize=8)
    epochs = sorted(evaluation)
    names = sorted({k for v in evaluation.values() for k in v if k.endswith(("mAP", "mAP_50"))})
    for name in names:
        shown = [e for e in epochs if name in evaluation[e]]
        right.plot(shown, [evaluation[e][name] for e in shown], "o-", label=name)
    right.set(xlabel="epoch", title="evaluation", ylim=(0, 1))
    if names:
        right.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    out_file = Path(out_file)
    out_file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_file, dpi=110)
    return out_file
