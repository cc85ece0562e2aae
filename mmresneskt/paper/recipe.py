"""What a run of a table trains on, and what tells two runs apart."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS

from mmresneskt.runtime.building import scope_of
from mmresneskt.runtime.config.datasets import leaves
from mmresneskt.runtime.config.tree import nodes
from mmresneskt.runtime.errors import UserError, explain

# what a result depends on; the rest is how it is logged and kept
_MATTERS: tuple[str, ...] = ("model", "data_preprocessor", "train_dataloader", "optim_wrapper")
_MATTERS += ("param_scheduler", "train_cfg")
_INDIFFERENT = ("num_workers", "persistent_workers", "pin_memory", "prefetch_factor")


@dataclass(frozen=True)
class Data:
    """Name of the data's folder, its classes, and images in its two sets.

    ``train_images`` is None where nothing is trained.
    """

    name: str
    classes: tuple[str, ...]
    train_images: int | None
    test_images: int


def find_data(cfg: Config, evaluated_on: str, trains: bool = True) -> Data:
    """Look at the data that a run trains on and is evaluated on, "val" or "test".

    Args:
        trains: False for an evaluation alone, which needs no training data.

    Raises:
        UserError: it cannot be read.
    """
    parts = [*(["train"] if trains else []), evaluated_on]
    try:
        with scope_of(cfg):
            found = [DATASETS.build(dict(cfg[f"{part}_dataloader"].dataset)) for part in parts]
    except Exception as error:
        raise UserError(explain(error)) from error
    roots = [dataset.data_root for dataset in leaves(cfg).values() if dataset.get("data_root")]
    name = Path(roots[0]).resolve().name if roots else "unnamed"
    classes = tuple(found[0].metainfo.get("classes") or ())
    return Data(name, classes, len(found[0]) if trains else None, len(found[-1]))


def fingerprint(cfg: Config, data: Data, evaluated_on: str) -> str:
    """Short hash of all that a result depends on but the seed; data counts by its contents'
    number and names, not by where it lies."""
    keys = (*_MATTERS, f"{evaluated_on}_dataloader")
    settings = {key: _plain(cfg[key]) for key in keys if key in cfg}
    evaluator = f"{evaluated_on}_evaluator"
    settings[evaluator] = _plain(cfg[evaluator], ("ann_file",))  # the data set's own
    text = json.dumps([settings, vars(data)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _plain(node: object, places: tuple[str, ...] = ("data_root",)) -> object:
    """A copy without places and without what makes no difference."""
    node = copy.deepcopy(node)
    for _, part in nodes(node):
        for name in (*_INDIFFERENT, *places):
            part.pop(name, None)
    return node
