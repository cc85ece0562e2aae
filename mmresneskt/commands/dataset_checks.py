"""Do the annotations fit the config, and are the images there? Asked before training starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from torch.utils.data import Dataset

from .errors import UserError

_SHOWN = 10
_LOOK = "Look at its annotations and at the classes of the config"


def check_datasets(runner: Runner, what: str) -> None:
    """Look into the datasets that ``runner.train()`` or ``runner.test()`` will read.

    They are built by this, once, as the runner would build them a moment later.

    Raises:
        UserError: see :func:`check_dataset`.
    """
    for part in ("train", "val") if what == "train" else ("test",):
        key = f"{part}_dataloader"
        if not runner.cfg.get(key):
            continue
        try:
            loader = getattr(runner, key)
        except ValueError as error:
            if "need at least one array" not in str(error):  # how numpy finds an empty list
                raise
            found = runner.cfg[key].dataset
            where = found.get("ann_file") or found.get("data_root")
            raise UserError(f"{where} ({key}) has no image with an object. {_LOOK}") from error
        check_parts(list(_unwrapped(loader.dataset)), key)


def check_parts(datasets: list[BaseDataset], key: str) -> None:
    """Compare the datasets behind one loader with their own annotations and images.

    Args:
        key: of the loader in the config, that names it in a message.

    Raises:
        UserError: classes that the annotations do not have, or have in another order; no
            image; no object, but in a test set, or beside a set that has some, as in
            semi-supervised training; images that are listed and missing.
    """
    for dataset in datasets:
        where = f"{dataset.ann_file or dataset.data_root} ({key})"
        local = dataset.ann_file and not getattr(dataset, "backend_args", None)
        if local and hasattr(dataset, "cat_ids") and str(dataset.ann_file).endswith(".json"):
            _check_categories(dataset, where)
        if not len(dataset):
            raise UserError(f"{where} has no image. {_LOOK}")
        if local:
            _check_images(dataset, where)
    if key != "test_dataloader" and datasets and all(map(_without_objects, datasets)):
        raise UserError(
            f"{where} has no image with an object of the classes {_short(datasets[-1])}. {_LOOK}"
        )


def _unwrapped(dataset: Dataset) -> Iterator[BaseDataset]:
    """The datasets that read data, without the wrappers around them."""
    if hasattr(dataset, "datasets"):  # ConcatDataset
        for part in dataset.datasets:
            yield from _unwrapped(part)
    elif isinstance(dataset, BaseDataset):
        yield dataset
    elif hasattr(dataset, "dataset"):  # RepeatDataset and its kin
        yield from _unwrapped(dataset.dataset)


def _short(dataset: BaseDataset) -> str:
    classes = dataset.metainfo.get("classes") or ()
    return ", ".join(map(str, classes[:_SHOWN])) + (", ..." if len(classes) > _SHOWN else "")


def _check_categories(dataset: BaseDataset, where: str) -> None:
    """MMDetection numbers the categories in the file's order and takes those it knows."""
    wanted = list(dataset.metainfo["classes"])
    standard = type(dataset).METAINFO.get("classes")
    if len(dataset.cat_ids) == len(wanted) and tuple(wanted) == standard:
        return  # COCO as it is published, without reading its half gigabyte again
    categories = json.loads(Path(dataset.ann_file).read_text()).get("categories", [])
    names = [category["name"] for category in categories]
    absent = [name for name in wanted if name not in names]
    change = "--cfg-options \"classes=['" + "','".join(names[:_SHOWN]) + "']\""
    if absent:
        raise UserError(
            f"{where} has no category {', '.join(map(repr, absent[:_SHOWN]))}, which the config's "
            f"classes name; it has {', '.join(map(repr, names[:_SHOWN])) or 'none'}. Take these "
            f"with {change}"
        )
    in_order = [name for name in names if name in wanted]
    if in_order != wanted:
        raise UserError(
            f"{where} has its categories in another order than the config's classes, by which "
            f"MMDetection would name them wrongly. Take its own: {change}"
        )


def _without_objects(dataset: BaseDataset) -> bool:
    """Whether this is a detection dataset of which no image has an object."""
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    return all("instances" in info and not info["instances"] for info in infos)


def _check_images(dataset: BaseDataset, where: str) -> None:
    folders: dict[str, set[str]] = {}
    missing = []
    for index in range(len(dataset)):
        path = str(dataset.get_data_info(index).get("img_path") or "")
        if not path or "://" in path:
            continue
        folder, name = os.path.split(path)
        if folder not in folders:  # one listing instead of a question for each image
            folders[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in folders[folder]:
            missing.append(path)
    if missing:
        raise UserError(
            f"{where} lists {len(dataset)} images, of which {len(missing)} are not there, the "
            f"first: {missing[0]}"
        )
