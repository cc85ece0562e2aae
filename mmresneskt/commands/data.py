"""Is the data there? One message before anything is built, not a traceback after."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict

from .config import datasets, embedded
from .errors import UserError

_NO_FILES = ("ParcelsDataset", "ParcelCropsDataset", "CIFAR10", "CIFAR100", "MNIST", "FashionMNIST")
_SOURCES = {
    "CocoDataset": "get COCO 2017 from https://cocodataset.org/#download",
    "VOCFolderDataset": "it is a list of image names in a folder like Pascal VOC's",
    "CustomDataset": "it is a folder of class folders (data/imagenet10 is made by "
    "tools/prepare_imagenet10.py)",
    "ImageNet": "get ImageNet-1K from https://www.image-net.org/download.php",
}


def check_data(
    cfg: Config, parts: tuple[str, ...], option: str = "--cfg-options data_root=FOLDER"
) -> None:
    """Look for the annotation file and the folders of the parts ("train", ...) in use.

    Args:
        option: of the command line, that sets the folder.

    Raises:
        UserError: the first that is missing, with the key that names it, where the data
            comes from, and the config that needs none.
    """
    for key, dataset in datasets(cfg).items():
        # val_cfg's loader of the training images counts as part of "val"
        if key.split("_")[0] not in parts:
            continue
        for name, path in _paths(dataset):
            if not path.exists():
                source = _SOURCES.get(dataset.get("type"), "it is named in the config")
                raise UserError(
                    f"{path} is missing ({key}.{name}): {source}, and set its folder with "
                    f"{option}. Without data, run the embedded set: {embedded(cfg)}"
                )


def _paths(dataset: ConfigDict) -> list[tuple[str, Path]]:
    """Local paths of one dataset, with their keys.

    Generated data, data sets that download themselves and remote storage have none.
    """
    remote = "://" in str(dataset.get("data_root")) or dataset.get("backend_args")
    if remote or dataset.get("type") in _NO_FILES:
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
