"""Tables 1 and 2: how a row is trained by a recipe, and what is read off the run."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.pictures.curves import read_scalars

from .peers import PEERS
from .run_folder import train_in
from .schedule import adapted
from .tables import CONFIGS, Row

EVALUATED_ON = "val"
_FIGURES = {
    "top1": "accuracy/top1",
    "loss": "cross_entropy/mean",
    "train_top1": "train/accuracy/top1",
    "train_loss": "train/cross_entropy/mean",
}


def row_config(name: str) -> Config:
    """The config of a row on the paper's data: that of ResNeSkt-50 with a peer's backbone in it.

    Raises:
        UserError: MMPretrain is not installed.
    """
    ours = "resneskt50" if name in PEERS else name
    cfg = load_config(str(CONFIGS / f"{ours}_imagenet10.py"))
    if name in PEERS:
        cfg.model.backbone = ConfigDict(PEERS[name])
    return cfg


def run_config(
    row: Row, recipe: str, epochs: int | None = None, data: str | None = None, amp: bool = False
) -> Config:
    """A recipe with a row's model in it.

    Args:
        recipe: a name in ``configs/_base_`` or a config file, with everything but a model:
            it trains by epochs and measures both sets by ``TrainAndTestLoop``.

    Raises:
        UserError: the recipe is not there, or is none.
    """
    file = CONFIGS / "_base_" / f"{recipe}.py"
    options = {"data_root": data} if data else {}
    cfg = load_config(str(file if file.is_file() else recipe), options)
    evaluators = cfg.get("val_evaluator") or []
    metrics = {e.get("type") for e in evaluators} if isinstance(evaluators, list) else set()
    loop = (cfg.get("val_cfg") or {}).get("type")
    if (
        "max_epochs" not in (cfg.get("train_cfg") or {})
        or loop != "TrainAndTestLoop"
        or not metrics >= {"Accuracy", "CrossEntropy"}
    ):
        raise UserError(
            f"{recipe} is no recipe: it needs train_cfg.max_epochs, TrainAndTestLoop as val_cfg "
            f"and Accuracy and CrossEntropy as val_evaluator, as configs/_base_/folder.py has"
        )
    cfg.model = row_config(row.name).model
    return adapted(cfg, epochs, amp)


def run(cfg: Config, seed: int, folder: Path) -> dict[str, float]:
    """Train, or go on training, and read the last epoch's figures, in per cent.

    Raises:
        UserError: see :func:`train_in`; or the log has no such figures.
    """
    train_in(folder, cfg, seed)
    epochs = cfg.train_cfg.max_epochs
    measured = read_scalars(folder)[1].get(epochs, {})
    try:
        return {name: measured[key] for name, key in _FIGURES.items()}
    except KeyError as error:
        raise UserError(f"{folder} has no {error} of epoch {epochs} in its log") from error
