"""Do the evaluators give the metrics that a run waits for?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import HOOKS, METRICS, PARAM_SCHEDULERS

from ..building import quiet, scope_of
from ..config.datasets import leaves
from ..config.keywords import value_of
from ..config.parts import Part, parts
from ..config.tree import nodes
from ..errors import did_you_mean
from .blame import blame
from .build import build_lazily, tried, without_data
from .findings import Finding, error

# by a class of mmengine's, the setting that names metrics; one of "auto" is the first metric
_WAITING = {
    "CheckpointHook": "save_best",
    "EarlyStoppingHook": "monitor",
    "ReduceOnPlateauParamScheduler": "monitor",
}
_OURS = __name__.partition(".")[0]
_KNOWN = ("mmdet", "mmpretrain", "mmengine", _OURS)


def wrong_metrics(cfg: Config, used: tuple[str, ...]) -> Iterator[Finding]:
    """Metrics that cannot be computed, and names that no metric of the validation has.

    Each metric evaluates one image on which everything is right, which tells its names whatever
    its settings are. Of one that takes other samples, or is a user's own, nothing is said.

    Args:
        used: the parts whose evaluators will be: "val", "test".
    """
    with scope_of(cfg), quiet():
        found: list[str] | None = []
        for part in list(parts(cfg)):
            name = part.key.partition("_evaluator")[0]
            if part.registries[0] is not METRICS or name not in used:
                continue
            if part.cfg.get("metrics") and part.type == "Evaluator":
                continue  # its metrics are parts of their own
            yield from _without_truth(cfg, part, name)
            names = yield from _names(part, _meta(cfg, name))
            if name == "val":
                found = None if found is None or names is None else found + names
        for part in list(parts(cfg)) if found else ():
            if part.key == "val_cfg" and _package(part.find()) not in ("mmengine", _OURS):
                return  # a loop that may give them other names, as that of a teacher and a student
            yield from _unknown(part, found or [])


def _without_truth(cfg: Config, part: Part, name: str) -> Iterator[Finding]:
    """COCO's metric takes the boxes from a file, or else from the images."""
    kinds = [base.__name__ for base in getattr(part.find(), "__mro__", ())]
    if "CocoMetric" not in kinds or part.cfg.get("ann_file"):
        return
    for key, node in nodes(cfg.get(f"{name}_dataloader"), f"{name}_dataloader"):
        if node.get("type") == "PackDetInputs" and "instances" not in node.get("meta_keys", ()):
            yield error(
                f"{part.key}.ann_file",
                f"{part.type} has no ann_file, nor do the images bring their boxes: set it to the "
                f"file of annotations, or add 'instances' to {key}.meta_keys",
            )


def _names(part: Part, meta: dict) -> Any:
    """The names of a metric's values; None where they are not known."""
    kind, cfg = part.find(), without_data(part)
    if getattr(kind, "__name__", "").startswith("Dump"):  # it writes a file, and gives none
        return []
    if cfg is None or _package(kind) not in _KNOWN:
        return None
    for name in ("outfile_prefix", "use_mp_eval"):  # it shall leave no files, nor start processes
        cfg.pop(name, None)

    def evaluate(part: ConfigDict) -> list[str]:
        metric = METRICS.build(part)
        metric.dataset_meta = meta
        metric.process({}, [_sample(len(meta["classes"]))])
        return list(metric.evaluate(1))

    try:
        METRICS.build(copy.deepcopy(cfg))
    except Exception:  # that is told where all parts are built
        return None
    try:
        return evaluate(cfg)
    except ValueError as failure:
        yield blame(failure, part.key, cfg, evaluate)
    except Exception:  # it takes other samples than these
        pass
    return None


def _package(kind: Callable | None) -> str:
    return getattr(kind, "__module__", "").partition(".")[0]


def _meta(cfg: Config, name: str) -> dict:
    """What the dataset of a part says of itself, with the names of its classes."""
    numbers = [node.get("num_classes") for _, node in nodes(cfg.get("model"))]
    numbers = [n for n in numbers if type(n) is int]  # another type is told where it is built
    meta: dict = dict(classes=[str(number) for number in range(numbers[0])] if numbers else ["0"])
    for key, dataset in leaves(cfg).items():
        if key.startswith(f"{name}_dataloader"):
            try:
                given = build_lazily(dataset).metainfo
            except Exception:  # what is wrong with it is told where it is built
                break
            classes = given.get("classes")
            return {**given, **({} if classes is not None and len(classes) else meta)}
    return meta


def _sample(classes: int) -> dict:
    """An image with one object of the first class, and that found, as MM's models hand it on."""
    label, box, shape = torch.zeros(1, dtype=torch.long), [8.0, 8.0, 40.0, 40.0], (64, 64)
    score = (torch.arange(classes) == 0).float()
    outline = [[8.0, 8.0, 40.0, 8.0, 40.0, 40.0, 8.0, 40.0]]
    there = dict(bboxes=torch.tensor([box]), labels=label, masks=torch.ones(1, *shape).bool())
    nothing = dict(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    return dict(
        **dict(img_id=0, ori_shape=shape),
        **dict(pred_instances=dict(there, scores=torch.ones(1)), gt_instances=there),
        **dict(ignored_instances=nothing, pred_score=score, pred_label=label),
        **dict(gt_score=score, gt_label=label),
        instances=[dict(bbox=box, bbox_label=0, ignore_flag=0, mask=outline)],
    )


def _unknown(part: Part, found: list[str]) -> Iterator[Finding]:
    """What a hook or a schedule waits for in vain."""
    if part.registries[0] not in (HOOKS, PARAM_SCHEDULERS):
        return
    kind = part.find()
    for base in getattr(kind, "__mro__", ()):
        setting = _WAITING.get(base.__name__)
        if setting is None:
            continue
        value = value_of(part.cfg, setting, kind)
        names = value if isinstance(value, (list, tuple)) else [value]
        missing = [name for name in names if name and name != "auto" and name not in found]
        for name in missing:
            hint = did_you_mean(str(name), found)
            yield error(
                f"{part.key}.{setting}",
                f"{name!r} is no metric of the validation, which gives {', '.join(found)}.{hint}",
            )
        if not missing and value == "auto":  # whether more or less is better is then asked for
            yield from tried(part.key, ConfigDict({**part.cfg, setting: found[0]}), HOOKS.build)
