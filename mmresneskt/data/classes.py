"""Let the datasets and the heads of a config agree about the classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmresneskt.runtime.config.datasets import leaves
from mmresneskt.runtime.config.tree import nodes
from mmresneskt.runtime.decoding import ENDINGS
from mmresneskt.runtime.errors import UserError

from .embedded import embedded

_CLASSES_OF_THE_DATA = ("VOCFolderDataset", "CustomDataset")


def set_classes(cfg: Config, classes: Sequence[str] | str | None) -> None:
    """Give the datasets the classes asked for, and every head the number of them.

    Where none are given, data that names its own classes is read: the annotations of a
    VOC-style folder, the folders of a folder of classes. A folder of classes has exactly
    its folders as classes, in the order of their names; of the files in them the endings are
    taken that :data:`ENDINGS` has, where the config does not say which.

    Args:
        classes: given on the command line; else a detector's config may have them at its top.

    Raises:
        UserError: the data is not there, its parts disagree about the classes, or it has
            others than those asked for.
    """
    found = leaves(cfg)
    classes = [classes] if isinstance(classes, str) else classes
    voc = [d for d in found.values() if _type(d) == "VOCFolderDataset"]
    folders = {k: d for k, d in found.items() if _is_folder_of_classes(d)}
    for dataset in folders.values():
        dataset.setdefault("extensions", list(ENDINGS))
    if folders:
        names = _from_folders(folders)
        if names and classes and list(classes) != names:
            raise UserError(
                f"classes={list(classes)} are not the folders of the data, which are its "
                f"classes: {names}"
            )
        if names:
            # a config's own names for the folders stay: MMPretrain checks their number
            _set_number(cfg, len(names))
            return
    if not classes and not folders and not isinstance(cfg.get("classes"), str):
        classes = cfg.get("classes")  # a text would be the name of a file of them
    if not classes and voc:
        classes = _from_annotations(cfg, voc[0])
    if not classes:
        return
    for dataset in found.values():
        dataset.metainfo = {**(dataset.get("metainfo") or {}), "classes": list(classes)}
    _set_number(cfg, len(classes))


def set_trained_classes(cfg: Config, classes: tuple[str, ...] | None) -> None:
    """Where the training data decided the classes, the checkpoint knows them without it."""
    of_the_data = any(_type(d) in _CLASSES_OF_THE_DATA for d in leaves(cfg).values())
    if of_the_data or cfg.get("classes"):
        set_classes(cfg, classes and list(classes))


def _set_number(cfg: Config, number: int) -> None:
    for _, node in nodes([cfg.model, cfg.get("data_preprocessor")]):
        if "num_classes" in node:
            node["num_classes"] = number


def _type(dataset: ConfigDict) -> str:
    return str(dataset.get("type")).split(".")[-1]  # without a scope


def _from_annotations(cfg: Config, dataset: ConfigDict) -> tuple[str, ...]:
    from .detection import read_classes  # needs MMDetection

    root = Path(dataset.get("data_root", ""), dataset.data_prefix.sub_data_root)
    try:
        return read_classes(root / dataset.get("ann_subdir", "Annotations"))
    except OSError as error:
        raise UserError(
            f"{error}. Set the folder with --cfg-options data_root=FOLDER, or run the "
            f"embedded data: {embedded(cfg)}"
        ) from error


def _is_folder_of_classes(dataset: ConfigDict) -> bool:
    labelled = dataset.get("with_label", True) and not dataset.get("ann_file")
    return _type(dataset) == "CustomDataset" and labelled


def _from_folders(found: dict[str, ConfigDict]) -> list[str] | None:
    """Names of the class folders, which must be the same in every dataset.

    None where there are none to read: missing data is told of by the checks before a run.
    """
    first_key, classes = None, None
    for key, dataset in found.items():
        prefix = dataset.get("data_prefix") or ""
        prefix = prefix.get("img_path", "") if isinstance(prefix, dict) else prefix
        folder = Path(dataset.get("data_root") or "", prefix)
        if not folder.is_dir():
            continue
        here = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        hidden = [name for name in here if name.startswith(".")]
        if hidden:
            raise UserError(
                f"{folder / hidden[0]} ({key}) is a hidden folder, which MMPretrain would take for "
                f"a class: remove it"
            )
        if not here:
            raise UserError(
                f"{folder} ({key}) holds no folders: put each class's images in a folder "
                f"named after the class"
            )
        if classes is None:
            first_key, classes = key, here
        elif here != classes:
            odd = ", ".join(sorted(set(here) ^ set(classes))[:5])
            raise UserError(
                f"{folder} ({key}) has other classes than {first_key}: {odd}. Both must "
                f"have the same folders"
            )
    return classes
