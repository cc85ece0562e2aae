"""Load a config and apply what the command line says about it."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from .errors import UserError, did_you_mean

_DATA = ("train", "val", "test")


def load_config(filename: str, options: dict | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Two options reach further than their key, as users expect: ``data_root`` replaces the
    old root wherever a dataset or an evaluator was built from it, and ``classes`` sets
    the datasets' classes and the heads' ``num_classes``.

    Raises:
        UserError: no such file, or one that cannot be read.
    """
    path = Path(filename)
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UserError(f"config {filename} does not exist.{did_you_mean(filename, siblings)}")
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is Python: anything can go wrong in it
        raise UserError(f"config {filename} cannot be read: {error}") from error
    options = options or {}
    in_datasets = {d.data_root for d in _leaves(cfg) if d.get("data_root")}
    roots = [cfg.data_root] if cfg.get("data_root") else sorted(in_datasets)
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # mmengine asserts and indexes its way through the keys
        raise UserError(f"--cfg-options cannot be applied to {filename}: {error}") from error
    if "data_root" in options:
        for part in _DATA:
            for key in (f"{part}_dataloader", f"{part}_evaluator"):
                for old in roots if cfg.get(key) else ():
                    _replace_prefix(cfg[key], str(old), str(options["data_root"]))
    _set_classes(cfg, options.get("classes"))
    return cfg


def default_work_dir(cfg: Config, filename: str, given: str | None) -> str:
    """MM's rule: the command line, else the config, else ./work_dirs/<config's name>."""
    return given or cfg.get("work_dir") or str(Path("work_dirs") / Path(filename).stem)


def datasets(cfg: Config) -> dict[str, ConfigDict]:
    """Each dataset of a config by its dotted key, wrappers' inner datasets included."""
    found: dict[str, ConfigDict] = {}

    def add(key: str, dataset: ConfigDict) -> None:
        found[key] = dataset
        if dataset.get("dataset"):
            add(f"{key}.dataset", dataset.dataset)
        for index, part in enumerate(dataset.get("datasets") or ()):
            add(f"{key}.datasets.{index}", part)

    for part in _DATA:
        dataset = (cfg.get(f"{part}_dataloader") or {}).get("dataset")
        if dataset:
            add(f"{part}_dataloader.dataset", dataset)
    return found


def _replace_prefix(node: object, old: str, new: str) -> None:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if isinstance(value, str) and value.startswith(old):
            rest = value[len(old) :]
            separator = "/" if rest and not new.endswith("/") and not rest.startswith("/") else ""
            node[key] = f"{new}{separator}{rest}"
        elif isinstance(value, (dict, list)):
            _replace_prefix(value, old, new)


def _leaves(cfg: Config) -> list[ConfigDict]:
    """The datasets that read data, without the wrappers around them."""
    found = datasets(cfg).values()
    return [d for d in found if not d.get("dataset") and not d.get("datasets")]


def _set_classes(cfg: Config, classes: list[str] | str | None) -> None:
    """Give the datasets the classes asked for, and every head the number of them.

    VOC-style folders get the classes of their annotations where none are given.
    """
    folders = [d for d in _leaves(cfg) if d.get("type") == "VOCFolderDataset"]
    classes = classes or (cfg.get("classes") if folders else None)
    if not classes and folders:
        from ..datasets import read_classes  # needs MMDetection

        root = Path(folders[0].get("data_root", ""), folders[0].data_prefix.sub_data_root)
        try:
            classes = read_classes(root / folders[0].get("ann_subdir", "Annotations"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{error}. Set the folder with --cfg-options data_root=FOLDER, or run the "
                f"embedded data: tools/train.py configs/faster_rcnn_resneskt_parcels.py"
            ) from error
    if classes:
        classes = [classes] if isinstance(classes, str) else list(classes)
        for dataset in _leaves(cfg):
            dataset.metainfo = {**(dataset.get("metainfo") or {}), "classes": classes}
        _set_everywhere(cfg.model, "num_classes", len(classes))


def _set_everywhere(node: object, key: str, value: int) -> None:
    if isinstance(node, dict):
        if key in node:
            node[key] = value
        for child in node.values():
            _set_everywhere(child, key, value)
    elif isinstance(node, (list, tuple)):
        for child in node:
            _set_everywhere(child, key, value)
