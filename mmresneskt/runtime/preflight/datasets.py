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
from ..decoding import CorruptImage, brightest_of_16_bits, decode_image, read_stored
from ..errors import explain
from .class_folders import folder_problems
from .classes import mixed_classes, where, wrong_categories
from .coco_files import coco_problems
from .files import makes_its_files
from .findings import Finding, error, note, report, warning
from .voc_files import voc_problems

_SAMPLE = 16
_LOOK = "Look at its annotations and at the classes of the config"


def annotation_problems(cfg: Config, parts: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong in the annotation files of the parts ("train", ...) in use."""
    seen, told = set(), set()
    for key, dataset in leaves(cfg).items():
        if key.split("_")[0] not in parts or dataset.get("backend_args"):
            continue
        file = Path(dataset.get("data_root") or "", str(dataset.get("ann_file") or ""))
        if not file.is_file() or file in seen:
            continue
        seen.add(file)
        for finding in _file_problems(cfg, key, dataset, file):
            if finding.message not in told:  # an annotation that two lists name
                told.add(finding.message)
                yield finding


def _file_problems(cfg: Config, key: str, dataset: ConfigDict, file: Path) -> Iterator[Finding]:
    kind = find_class(cfg, dataset.get("type"), DATASETS)
    kinds = [base.__name__ for base in getattr(kind, "__mro__", ())]
    known = (dataset.get("metainfo") or {}).get("classes")
    known = known or getattr(kind, "METAINFO", {}).get("classes")
    classes = None if isinstance(known, str) else known  # else the name of a file of them
    if "CocoDataset" in kinds and not makes_its_files(kind):
        masks = any(node.get("with_mask") for _, node in nodes(dataset, key))
        yield from coco_problems(f"{key}.ann_file", file, masks, classes)
    elif "XMLDataset" in kinds:
        prefix = (dataset.get("data_prefix") or {}).get("sub_data_root", "")
        folder = Path(dataset.get("data_root") or "", prefix)
        folder /= dataset.get("ann_subdir", "Annotations")
        read = getattr(kind, "read_xml", None)
        yield from voc_problems(f"{key}.ann_file", file, folder, classes, read)


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
    training; images that are listed and missing; class folders without an image, and files in
    them that are no samples; of a sample, the same each time, images that cannot be decoded,
    have another size than their annotation says, or are dark in 8 bits.

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
    yield from folder_problems(datasets, key)
    if not datasets or not all(map(_without_objects, datasets)):
        return
    if key == "test_dataloader":
        yield warning(key, f"{place} has no ground truth: predictions only, and no metric of them")
    else:
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
    return f"lists {many} are not there, the first: {missing[0]}{_instead_of(missing[0])}"


def _instead_of(path: str) -> str:
    """What is there and may be meant by the path of an image that is not."""
    if os.path.isfile(path.replace("\\", "/")):
        return ". It is there with / in place of \\: write the names in the annotations so"
    missing = Path(path)
    folder = missing.parent
    same = [file.name for file in folder.glob("*") if file.stem == missing.stem]
    return f". There is {' and '.join(sorted(same))}" if same else ""


def _local_image(info: dict) -> str:
    path = str(info.get("img_path") or "")
    return "" if "://" in path else path


def _sample(dataset: BaseDataset, key: str) -> Iterator[Finding]:
    """Decode some images, spread evenly over the dataset."""
    size, sampled = len(dataset), min(_SAMPLE, len(dataset))
    brightest: dict[str, int] = {}
    for index in (number * size // sampled for number in range(sampled)):
        info = dataset.get_data_info(index)
        path = _local_image(info)
        if not path:
            continue
        arguments = getattr(dataset, "backend_args", None)
        storage = get_file_backend(path, backend_args=arguments, enable_singleton=True)
        try:
            data = read_stored(storage, path)
            image = decode_image(data)
        except (CorruptImage, OSError) as failure:
            stops = error if key != "train_dataloader" else warning
            yield stops(
                key,
                f"{path} ({key}) cannot be used: {failure}. Training stops there unless "
                f"--max-broken-images lets it be skipped; an evaluation always does",
            )
            continue
        if found := brightest_of_16_bits(data):
            brightest[path] = found
        height, width = image.shape[:2]
        expected = (info.get("height"), info.get("width"))
        if None not in expected and (height, width) != tuple(map(int, expected)):
            yield warning(
                key,
                f"{path} ({key}) has {width}x{height} pixels, its annotation says "
                f"{expected[1]}x{expected[0]}: the boxes may not fit",
            )
    if brightest:
        path, most = max(brightest.items(), key=lambda item: item[1])
        dark = most < 2**15
        yield (warning if dark else note)(
            key,
            f"{where(dataset)} ({key}) has images of 16 bits, which are read as 8: the brightest "
            f"value in {len(brightest)} of them is {most}, in {path}, and becomes {most >> 8} of "
            f"255{'. Stretch their values to 65535, or save them in 8 bits' if dark else ''}",
        )
