"""Are the data and the checkpoints there? One message before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from mmengine.runner.checkpoint import get_torchvision_models

from ..building import find_class
from ..checkpoint import cached_file
from ..config.datasets import datasets
from ..config.tree import nodes
from .findings import Finding, error, note

# of MMPretrain, which has no "makes_its_files" to say so
_DOWNLOADED = ("CIFAR10", "CIFAR100", "MNIST", "FashionMNIST")
_SOURCES = {
    "CocoDataset": "get COCO 2017 from https://cocodataset.org/#download",
    "CustomDataset": "it is a folder of class folders",
    "ImageNet": "get ImageNet-1K from https://www.image-net.org/download.php",
}


def missing_data(
    cfg: Config,
    parts: tuple[str, ...],
    option: str = "--cfg-options data_root=FOLDER",
    instead: str = "",
) -> Iterator[Finding]:
    """Annotation files and folders that are not there, a finding for each data root.

    It says where the data comes from, and which command needs none. Where it comes from is
    the config's ``data_source``, else the ``source_hint`` of the dataset's class.

    Args:
        option: of the command line, that sets the folder.
        instead: a command that needs no data.
    """
    missing: dict[str, dict[Path, tuple[str, ConfigDict]]] = {}
    for key, dataset in datasets(cfg).items():
        # val_cfg's loader of the training images counts as part of "val"
        if key.split("_")[0] not in parts:
            continue
        for name, path in [] if makes_its_files(_class(cfg, dataset)) else _paths(dataset):
            if not path.exists():
                root = missing.setdefault(str(dataset.get("data_root")), {})
                root.setdefault(path, (f"{key}.{name}", dataset))
    for paths in missing.values():
        (path, (key, dataset)), *others = paths.items()
        source = cfg.get("data_source") or _source(_class(cfg, dataset))
        also = f" (as are {', '.join(str(other) for other, _ in others)})" if others else ""
        without = f". Without data, run the embedded set: {instead}" if instead else ""
        yield error(
            key,
            f"{path} is missing ({key}){also}: {source}, and set its folder with {option}{without}",
        )


def makes_its_files(kind: object) -> bool:
    """Whether a dataset class makes or downloads its files itself, by its ``makes_its_files``."""
    return getattr(kind, "makes_its_files", getattr(kind, "__name__", "") in _DOWNLOADED)


def missing_checkpoints(cfg: Config) -> Iterator[Finding]:
    """Weights to start from that are not there; those that will be downloaded are a note."""
    if isinstance(cfg.get("load_from"), str):
        yield from _missing("load_from", cfg.load_from)
    for key, init_cfg in initializers(cfg):
        yield from _missing(f"{key}.checkpoint", init_cfg.checkpoint)


def initializers(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    """Every ``init_cfg`` of the model that names a checkpoint, with its dotted key."""
    for key, node in nodes(cfg.get("model"), "model"):
        if ".init_cfg" in key and isinstance(node.get("checkpoint"), str) and node.checkpoint:
            yield key, node


def local_file(checkpoint: str) -> Path | None:
    """The file that a path or URL is read from; None where it is not known without asking
    the network."""
    if checkpoint.startswith(("torchvision://", "modelzoo://")):
        models = get_torchvision_models()
        checkpoint = models.get(checkpoint.partition("://")[2], checkpoint)
    if checkpoint.startswith(("http://", "https://")):
        return cached_file(checkpoint)
    return None if "://" in checkpoint else Path(checkpoint).expanduser()


def _class(cfg: Config, dataset: ConfigDict) -> object:
    return find_class(cfg, dataset.get("type"), DATASETS)


def _source(kind: object) -> str:
    known = _SOURCES.get(getattr(kind, "__name__", ""), "it is named in the config")
    return getattr(kind, "source_hint", known)


def _missing(key: str, checkpoint: str) -> Iterator[Finding]:
    file = local_file(checkpoint)
    if "://" in checkpoint:
        if file is None or not file.exists():
            yield note(key, f"{checkpoint} is not in torch hub's cache: it will be downloaded")
    elif not file.exists():  # a strategy's checkpoint is a folder
        yield error(key, f"checkpoint {checkpoint} does not exist")


def _paths(dataset: ConfigDict) -> list[tuple[str, Path]]:
    """Local paths of one dataset, with their keys; remote storage has none."""
    if "://" in str(dataset.get("data_root")) or dataset.get("backend_args"):
        return []
    root = Path(dataset.get("data_root") or "")
    paths = []
    if dataset.get("ann_file"):
        paths.append(("ann_file", root / dataset.ann_file))
    prefix = dataset.get("data_prefix") or {}
    for name, folder in prefix.items() if isinstance(prefix, dict) else [("", prefix)]:
        if folder:
            paths.append((f"data_prefix.{name}".rstrip("."), root / folder))
    return paths or [("data_root", root)]
