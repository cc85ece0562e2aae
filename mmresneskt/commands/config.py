"""Load a config and apply what the command line says about it."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from ..environment import configs_of
from ..swap import difference, swap_backbone
from .distributed import is_main_process
from .errors import UserError, did_you_mean

_DATA = ("train", "val", "test")


def load_config(filename: str, options: dict | None = None, backbone: str | None = None) -> Config:
    """Read a config, swap its backbone if asked to, and merge ``--cfg-options`` into it.

    One option reaches further than its key, as users expect: ``data_root`` replaces the
    old root wherever a dataset or an evaluator was built from it.

    Args:
        filename: a file, or one that an installed library brings: ``mmdet::FOLDER/NAME.py``.
        backbone: see :func:`mmresneskt.swap_backbone`; what it changes is printed.

    Raises:
        UserError: no such file, one that cannot be read, or a swap that makes no sense.
    """
    path = _find(filename)
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is Python: anything can go wrong in it
        raise UserError(f"config {filename} cannot be read: {error}") from error
    if backbone:
        cfg = _swap(cfg, filename, backbone)
    options = options or {}
    in_datasets = {d.data_root for d in leaves(cfg).values() if d.get("data_root")}
    roots = [cfg.data_root] if cfg.get("data_root") else sorted(in_datasets)
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # mmengine asserts and indexes its way through the keys
        raise UserError(f"--cfg-options cannot be applied to {filename}: {error}") from error
    if "data_root" in options:
        for part in (*dataloaders(cfg).values(), *_evaluators(cfg)):
            for old in roots:
                _replace_prefix(part, str(old), str(options["data_root"]))
    return cfg


def _find(filename: str) -> Path:
    library, installed, name = filename.rpartition("::")
    folder = configs_of(library) if library.isidentifier() else None
    if installed and folder is None:
        raise UserError(f"config {filename}: {library} is not installed")
    path = folder / name if installed else Path(filename)
    if not path.is_file():
        if installed:
            known = [f"{library}::{p.relative_to(folder)}" for p in folder.rglob("*.py")]
        else:
            known = [str(p) for p in path.parent.glob("*.py")]  # none where there is no folder
        raise UserError(f"config {filename} does not exist.{did_you_mean(filename, known)}")
    return path


def _swap(cfg: Config, filename: str, backbone: str) -> Config:
    try:
        swapped = swap_backbone(cfg, backbone)
    except ValueError as error:
        raise UserError(f"--backbone {backbone}: {filename}: {error}") from error
    if is_main_process():
        print(f"--backbone {backbone} changes in {filename}:\n{difference(cfg, swapped)}")
    return swapped


def default_work_dir(
    cfg: Config, filename: str, given: str | None, backbone: str | None = None
) -> str:
    """MM's rule: the command line, else the config, else ./work_dirs/<config's name>.

    A swapped backbone is part of the name: its run must not go on where another's ended.
    """
    name = Path(filename).stem + (f"_{backbone.partition(':')[0]}" if backbone else "")
    return given or cfg.get("work_dir") or str(Path("work_dirs") / name)


def embedded(cfg: Config) -> str:
    """The command that needs no data, for the library that a config is for."""
    classifies = cfg.get("default_scope") == "mmpretrain"
    name = "resneskt_parcels10" if classifies else "faster_rcnn_resneskt_parcels"
    return f"tools/train.py configs/{name}.py"


def datasets(cfg: Config) -> dict[str, ConfigDict]:
    """Each dataset of a config by its dotted key, wrappers' inner datasets included."""
    found: dict[str, ConfigDict] = {}

    def add(key: str, dataset: ConfigDict) -> None:
        found[key] = dataset
        if dataset.get("dataset"):
            add(f"{key}.dataset", dataset.dataset)
        for index, part in enumerate(dataset.get("datasets") or ()):
            add(f"{key}.datasets.{index}", part)

    for key, loader in dataloaders(cfg).items():
        if loader.get("dataset"):
            add(f"{key}.dataset", loader.dataset)
    return found


def leaves(cfg: Config) -> dict[str, ConfigDict]:
    """The datasets that read data, without the wrappers around them."""
    found = datasets(cfg)
    return {k: d for k, d in found.items() if not d.get("dataset") and not d.get("datasets")}


def dataloaders(cfg: Config) -> dict[str, ConfigDict]:
    """The loaders of a config by key, that of TrainAndTestLoop included."""
    found = {f"{part}_dataloader": cfg.get(f"{part}_dataloader") for part in _DATA}
    found["val_cfg.train_dataloader"] = (cfg.get("val_cfg") or {}).get("train_dataloader")
    return {key: loader for key, loader in found.items() if loader}


def _evaluators(cfg: Config) -> list[ConfigDict | list]:
    return [cfg[key] for key in (f"{part}_evaluator" for part in _DATA) if cfg.get(key)]


def _replace_prefix(node: object, old: str, new: str) -> None:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if isinstance(value, str) and value.startswith(old):
            rest = value[len(old) :]
            separator = "/" if rest and not new.endswith("/") and not rest.startswith("/") else ""
            node[key] = f"{new}{separator}{rest}"
        elif isinstance(value, (dict, list)):
            _replace_prefix(value, old, new)
