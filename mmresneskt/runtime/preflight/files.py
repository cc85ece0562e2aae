"""Are the data and the checkpoints there? One message before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    parts: Sequence[str],
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
    missing: dict[str, dict[Path, tuple[str, type | None]]] = {}
    for key, dataset in datasets(cfg).items():
        # val_cfg's loader of the training images counts as part of "val"
        if key.split("_")[0] not in parts:
            continue
        kind = find_class(cfg, dataset.get("type"), DATASETS)
        for name, path in [] if makes_its_files(kind) else _paths(dataset):
            if not path.exists():
                root = missing.setdefault(str(dataset.get("data_root")), {})
                root.setdefault(path, (f"{key}.{name}", kind))
    for paths in missing.values():
        (path, (key, kind)), *others = paths.items()
        known = _SOURCES.get(getattr(kind, "__name__", ""), "it is named in the config")
        source = cfg.get("data_source") or getattr(kind, "source_hint", known)
        also = f" (as are {', '.join(str(other) for other, _ in others)})" if others else ""
        without = f". Without data, run the embedded set: {instead}" if instead else ""
        yield error(
            key,
            f"{path} is missing ({key}){also}: {source}, and set its folder with {option}{without}",
        )


def makes_its_files(kind: Callable | None) -> bool:
    """Whether a dataset class makes or downloads its files itself, by its ``makes_its_files``."""
    return getattr(kind, "makes_its_files", getattr(kind, "__name__", "") in _DOWNLOADED)


def missing_checkpoints(cfg: Config) -> Iterator[Finding]:
    """Weights to start from that are not there; those that will be downloaded are a note."""
    for key, checkpoint, _ in checkpoints(cfg):
        file = local_file(checkpoint)
        if file is not None and file.exists():  # a strategy's checkpoint is a folder
            continue
        if "://" in checkpoint:
            yield note(key, f"{checkpoint} is not in torch hub's cache: it will be downloaded")
        else:
            yield error(key, f"checkpoint {checkpoint} does not exist")


def checkpoints(cfg: Config) -> Iterator[tuple[str, str, ConfigDict | None]]:
    """Every checkpoint that the model starts from, with its dotted key.

    The third is the ``init_cfg`` that loads it; None for ``load_from``.
    """
    for key, node in nodes(cfg.get("model"), "model"):
        if ".init_cfg" in key and isinstance(node.get("checkpoint"), str) and node.checkpoint:
            yield f"{key}.checkpoint", node.checkpoint, node
    if cfg.get("load_from") and isinstance(cfg.load_from, str):
        yield "load_from", cfg.load_from, None


def local_file(checkpoint: str) -> Path | None:
    """The file that a path or URL is read from; None where it is not known without asking
    the network."""
    if checkpoint.startswith(("torchvision://", "modelzoo://")):
        models = get_torchvision_models()
        checkpoint = models.get(checkpoint.partition("://")[2], checkpoint)
    if checkpoint.startswith(("http://", "https://")):
        return cached_file(checkpoint)
    return None if "://" in checkpoint else Path(checkpoint).expanduser()


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
