"""A row's model with a recipe's data and schedule, and what tells two such runs apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmengine.utils import import_modules_from_strings

from .config import leaves, load_config
from .errors import UserError, explain
from .paper import CONFIGS, Row
from .runner import use_amp
from .schedule import set_epochs

# what a result depends on; the rest is how it is logged and kept
_MATTERS = ("model", "data_preprocessor", "train_dataloader", "val_dataloader", "val_evaluator")
_MATTERS += ("optim_wrapper", "param_scheduler", "train_cfg")
_INDIFFERENT = ("num_workers", "persistent_workers", "pin_memory", "prefetch_factor")


@dataclass(frozen=True)
class Data:
    """Name of the data's folder, its classes, and images in its two sets."""

    name: str
    classes: tuple[str, ...]
    train_images: int
    test_images: int


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
    cfg.model = load_config(str(row.config)).model
    if epochs:
        set_epochs(cfg, epochs)
    if amp:
        use_amp(cfg)
    return cfg


def find_data(cfg: Config) -> Data:
    """Look at the data that a recipe trains and tests on.

    Raises:
        UserError: it cannot be read.
    """
    import_modules_from_strings(**(cfg.get("custom_imports") or {}))
    loaders = (cfg.train_dataloader, cfg.val_dataloader)
    try:
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            train, test = (DATASETS.build(dict(loader.dataset)) for loader in loaders)
    except Exception as error:
        raise UserError(explain(error)) from error
    roots = [dataset.data_root for dataset in leaves(cfg).values() if dataset.get("data_root")]
    name = Path(roots[0]).resolve().name if roots else "unnamed"
    return Data(name, tuple(train.metainfo.get("classes") or ()), len(train), len(test))


def fingerprint(cfg: Config, data: Data) -> str:
    """Short hash of all that a result depends on but the seed; data counts by its contents'
    number and names, not by where it lies."""
    settings = {key: _plain(cfg[key]) for key in _MATTERS if key in cfg}
    text = json.dumps([settings, vars(data)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _plain(node: object) -> object:
    """The same without places and without what makes no difference."""
    if isinstance(node, dict):
        left_out = (*_INDIFFERENT, "data_root")
        return {key: _plain(value) for key, value in node.items() if key not in left_out}
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    return node
