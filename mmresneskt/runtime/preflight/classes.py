"""Do the classes of datasets fit the config, their annotations and each other?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.dataset import BaseDataset

from ..coco import root_of, settle
from ..config.tree import nodes
from .findings import Finding, error, shown


def mixed_classes(cfg: Config, datasets: list[BaseDataset], key: str) -> Iterator[Finding]:
    """Datasets behind one loader whose labels mean different classes.

    Each numbers its own; a model takes the numbers, and an evaluation the first one's names. Not
    meant are models that are told the classes with each image, and an evaluator for each dataset.

    Args:
        key: of the loader in the config.
    """
    evaluator = cfg.get(key.replace("dataloader", "evaluator"))
    if any(node.get("type") == "MultiDatasetsEvaluator" for _, node in nodes(evaluator)):
        return
    found = [
        (dataset, tuple(dataset.metainfo.get("classes") or ()))
        for dataset in datasets
        if not getattr(dataset, "return_classes", False)
    ]
    found = [(dataset, classes) for dataset, classes in found if classes]
    others = [(dataset, classes) for dataset, classes in found if classes != found[0][1]]
    if not others:
        return
    (one, its), (other, theirs) = found[0], others[0]
    every = list(dict.fromkeys(name for _, classes in found for name in classes))
    advice = f"Give each of them all classes, by its metainfo or --cfg-options {_option(every)}"
    if any(hasattr(dataset, "cat_ids") for dataset, _ in found):
        advice += ", and list these, in this order, in the `categories` of every COCO file"
    if any(hasattr(dataset, "folder_to_idx") for dataset, _ in found):
        advice += ", and in every folder of class folders make those that it lacks, empty"
    yield error(
        key,
        f"{where(one)} and {where(other)} ({key}) are used as one, and a label means another "
        f"class in each: {shown(its)} in the one, {shown(theirs)} in the other. {advice}",
    )


def wrong_categories(dataset: BaseDataset, alone: bool) -> str | None:
    """Why the labels of a COCO file are not what the config's classes say.

    MMDetection numbers the categories in the file's order and takes those it knows.

    Args:
        alone: else other datasets behind the same loader may have the classes that are absent.
    """
    wanted = list(dataset.metainfo["classes"])
    standard = type(dataset).METAINFO.get("classes")
    if len(dataset.cat_ids) == len(wanted) and tuple(wanted) == standard:
        return None  # COCO as it is published, without reading its half gigabyte again
    content = json.loads(Path(dataset.ann_file).read_text(encoding="utf-8"))
    settle(content)
    root = root_of(content)
    names = [category["name"] for category in content.get("categories", [])]
    known = [name for name in names if name in wanted]
    absent = [name for name in wanted if name not in names]
    own = [name for name in names if name != root]
    option = _option(own)
    if root:
        option += f" (without {root!r}, which no annotation has and the others have for a root)"
    if absent and (alone or known != wanted[: len(known)]):
        return (
            f"has no category {shown(absent)}, which the config's classes name; it has "
            f"{shown(names) or 'none'}. Take these with --cfg-options {option}, or, where "
            f"other data of the config has the others, list all of the config's classes, in its "
            f"order, in the file's `categories`"
        )
    if known != wanted[: len(known)]:
        return (
            f"has its categories in another order than the config's classes, by which "
            f"MMDetection would name them wrongly. Take its own: --cfg-options {option}"
        )
    return None


def where(dataset: BaseDataset) -> str:
    """The file, or the folder, that a dataset is read from."""
    return getattr(dataset, "ann_file", "") or dataset.data_root


def _option(classes: list[str]) -> str:
    return "\"classes=['" + "','".join(classes) + "']\""
