"""Do the annotations fit the config, and are the images there and whole?"""

from __future__ import annotations

import functools
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.fileio import get_file_backend
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ..broken_images import unwrapped
from ..building import find_class, quiet, scope_of
from ..config.datasets import leaves
from ..config.tree import nodes
from ..decoding import CorruptImage, decode_image, read_stored
from ..errors import explain
from .classes import mixed_classes, where, wrong_categories
from .coco_files import coco_problems
from .files import makes_its_files
from .findings import Finding, error, report, warning
from .voc_files import voc_problems

_SAMPLE = 16
_LOOK = "Look at its annotations and at the classes of the config"


def annotation_problems(cfg: Config, parts: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong in the annotation files of the parts ("train", ...) in use."""
    seen = set()
    for key, dataset in leaves(cfg).items():
        if key.split("_")[0] not in parts or dataset.get("backend_args"):
            continue
        kind = find_class(cfg, dataset.get("type"), DATASETS)
        root = Path(dataset.get("data_root") or "")
        file = root / str(dataset.get("ann_file") or "")
        if not file.is_file() or file in seen:
            continue
        seen.add(file)
        kinds = [base.__name__ for base in getattr(kind, "__mro__", ())]
        if "CocoDataset" in kinds and not makes_its_files(kind):
            masks = any(node.get("with_mask") for _, node in nodes(dataset, key))
            yield from coco_problems(f"{key}.ann_file", file, masks)
        elif "XMLDataset" in kinds:
            prefix = (dataset.get("data_prefix") or {}).get("sub_data_root", "")
            folder = root / prefix / dataset.get("ann_subdir", "Annotations")
            yield from voc_problems(f"{key}.ann_file", file, folder)


def dataset_problems(
    cfg: Config, parts: Iterable[str], dataset_of: Callable[[str], Dataset] | None = None
) -> Iterator[Finding]:
    """Look into the datasets of the parts by :func:`part_problems`.

    Args:
        dataset_of: gives the dataset of a loader by the loader's key; without it, each is built.
    """
    for key in (f"{part}_dataloader" for part in parts):
        if not cfg.get(key):
            continue
        try:
            dataset = dataset_of(key) if dataset_of else built(cfg, cfg[key].dataset)
        except Exception as failure:  # whatever a dataset makes of its files
            yield from _mixed_parts(cfg, key) or [_unreadable(cfg, key, failure)]
        else:
            datasets = list(unwrapped(dataset))
            yield from list(mixed_classes(cfg, datasets, key)) or part_problems(datasets, key)


def check_datasets(runner: Runner, what: str) -> None:
    """Look into the datasets that ``runner.train()`` or ``runner.test()`` will read.

    They are built by this, once, as the runner would build them a moment later.

    Raises:
        UserError: see :func:`part_problems`; of the first part with errors.
    """
    for part in ("train", "val") if what == "train" else ("test",):
        report(dataset_problems(runner.cfg, (part,), lambda key: getattr(runner, key).dataset))


def part_problems(datasets: list[BaseDataset], key: str) -> Iterator[Finding]:
    """Compare the datasets behind one loader with their own annotations and images.

    Found are: classes that the annotations do not have, or have in another order; no image;
    no object, but in a test set, or beside a set that has some, as in semi-supervised
    training; images that are listed and missing; of a sample, the same each time, those that
    cannot be decoded or have another size than their annotation says.

    Args:
        key: of the loader in the config, that names it in a message.
    """
    for dataset in datasets:
        place = f"{where(dataset)} ({key})"
        problem = _problem(dataset, alone=len(datasets) == 1)
        if problem:
            yield error(key, f"{place} {problem}")
            return
        yield from _sample(dataset, key)
    if key != "test_dataloader" and datasets and all(map(_without_objects, datasets)):
        classes = ", ".join(map(str, datasets[-1].metainfo.get("classes") or ()))
        classes = textwrap.shorten(classes, 100, placeholder=" ...")
        yield error(key, f"{place} has no image with an object of the classes {classes}. {_LOOK}")


def built(cfg: Config, part: ConfigDict) -> Dataset:
    """A dataset of a config, with its annotations read."""
    with scope_of(cfg), quiet():
        dataset = DATASETS.build(part)
        if hasattr(dataset, "full_init"):
            dataset.full_init()
    return dataset


def _mixed_parts(cfg: Config, key: str) -> list[Finding]:
    """Whether the datasets of a loader have been refused together for their classes."""
    try:
        parts = [built(cfg, part) for name, part in leaves(cfg).items() if name.startswith(key)]
    except Exception:  # it is another fault
        return []
    return list(mixed_classes(cfg, [part for one in parts for part in unwrapped(one)], key))


def _unreadable(cfg: Config, key: str, failure: Exception) -> Finding:
    parts = [part for name, part in leaves(cfg).items() if name.startswith(key)]
    place = next(filter(None, (p.get("ann_file") or p.get("data_root") for p in parts)), "the data")
    if "need at least one array" in str(failure):  # how numpy finds an empty list
        return error(key, f"{place} ({key}) has no image with an object. {_LOOK}")
    return error(f"{key}.dataset", f"{place} ({key}) cannot be read: {explain(failure)}")


def _problem(dataset: BaseDataset, alone: bool) -> str | None:
    """What makes a dataset useless, if anything."""
    file = None if getattr(dataset, "backend_args", None) else dataset.ann_file
    problem = None
    if str(file).endswith(".json") and hasattr(dataset, "cat_ids"):
        problem = wrong_categories(dataset, alone)
    if not problem and not len(dataset):
        problem = f"has no image. {_LOOK}"
    return problem or (_missing_images(dataset) if file else None)


def _without_objects(dataset: BaseDataset) -> bool:
    """Whether this is a detection dataset of which no image has an object."""
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    return all("instances" in info and not info["instances"] for info in infos)


def _missing_images(dataset: BaseDataset) -> str | None:
    listed = functools.cache(
        lambda folder: set(os.listdir(folder) if os.path.isdir(folder) else ())
    )
    paths = [_local_image(dataset.get_data_info(index)) for index in range(len(dataset))]
    # one listing of a folder instead of a question for each image
    missing = [p for p in paths if p and os.path.basename(p) not in listed(os.path.dirname(p))]
    if not missing:
        return None
    many = f"{len(dataset)} images, of which {len(missing)}"
    return f"lists {many} are not there, the first: {missing[0]}"


def _local_image(info: dict) -> str:
    path = str(info.get("img_path") or "")
    return "" if "://" in path else path


def _sample(dataset: BaseDataset, key: str) -> Iterator[Finding]:
    """Decode some images, spread evenly over the dataset."""
    size, sampled = len(dataset), min(_SAMPLE, len(dataset))
    for index in (number * size // sampled for number in range(sampled)):
        info = dataset.get_data_info(index)
        path = _local_image(info)
        if not path:
            continue
        arguments = getattr(dataset, "backend_args", None)
        storage = get_file_backend(path, backend_args=arguments, enable_singleton=True)
        try:
            image = decode_image(read_stored(storage, path))
        except (CorruptImage, OSError) as failure:
            stops = error if key != "train_dataloader" else warning
            yield stops(
                key,
                f"{path} ({key}) cannot be used: {failure}. Training stops there unless "
                f"--max-broken-images lets it be skipped; an evaluation always does",
            )
            continue
        height, width = image.shape[:2]
        expected = (info.get("height"), info.get("width"))
        if None not in expected and (height, width) != tuple(map(int, expected)):
            yield warning(
                key,
                f"{path} ({key}) has {width}x{height} pixels, its annotation says "
                f"{expected[1]}x{expected[0]}: the boxes may not fit",
            )
