"""Build the parts of a config, and tell which setting keeps one from being built."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, METRICS, OPTIMIZERS, PARAM_SCHEDULERS, TRANSFORMS
from torch import nn

from ..building import build_model, build_on_meta, quiet, scope_of
from ..config.keywords import keywords
from ..config.parts import Part, parts
from ..config.tree import nodes
from ..distributed import replace_sync_bn
from ..errors import explain
from .blame import blame, causes
from .files import makes_its_files
from .findings import Finding, warning

_OF_DATA = ("ann_file", "gt_folder", "seg_prefix", "backend_args")


def unbuildable(cfg: Config) -> Iterator[Finding]:
    """What cannot be built but the model: optimizer, schedules, transforms, metrics, datasets.

    Datasets are built without reading their data.
    """
    with scope_of(cfg), quiet():
        yield from _optimization(cfg)
        for part in parts(cfg):
            registry = part.registries[0]
            # those inside another are built with it, and may be another library's
            if registry is TRANSFORMS and ".transforms." not in part.key:
                yield from _tried(part.key, part.cfg, TRANSFORMS.build)
            elif registry is METRICS and "metrics" not in part.cfg:
                yield from _metric(part)
            elif registry is DATASETS and _is_lazy(part):
                yield from _tried(part.key, part.cfg, _build_lazily)


def _is_lazy(part: Part) -> bool:
    """Whether it can be built without reading data; wrappers would have theirs read it."""
    wraps = "dataset" in part.cfg or "datasets" in part.cfg
    kind = part.find()
    return not wraps and not makes_its_files(kind) and "lazy_init" in (keywords(kind) or {})


def model_of(cfg: Config) -> tuple[nn.Module | None, list[Finding]]:
    """The model, or the findings that say why there is none."""
    whole = copy.deepcopy(cfg.model)
    if cfg.get("data_preprocessor"):
        whole.setdefault("data_preprocessor", cfg.data_preprocessor)  # as the Runner does
    replace_sync_bn(whole)
    try:
        return build_model(cfg, whole), []
    except Exception as failure:
        if any(isinstance(cause, OSError) for cause in causes(failure)):  # it downloads something
            return None, [warning("model", f"it was not built: {explain(failure)}")]
        with quiet():
            return None, [blame(failure, "model", whole, lambda part: build_on_meta(cfg, part))]


def _tried(key: str, part: ConfigDict, make: Callable) -> Iterator[Finding]:
    try:
        make(copy.deepcopy(part))
    except (ImportError, OSError):  # what is missing is told where files and versions are asked for
        return
    except Exception as failure:
        yield blame(failure, key, part, make)


def _metric(part: Part) -> Iterator[Finding]:
    """Metrics read the annotations when they are built; COCO's can be built without."""
    of_data = [name for name in _OF_DATA if name in part.cfg]
    if not of_data or part.type == "CocoMetric":
        without = {key: value for key, value in part.cfg.items() if key not in of_data}
        yield from _tried(part.key, ConfigDict(without), METRICS.build)


def _build_lazily(dataset: ConfigDict) -> object:
    return DATASETS.build({**dataset, "lazy_init": True, "pipeline": []})


def _optimization(cfg: Config) -> Iterator[Finding]:
    wrapper = cfg.get("optim_wrapper") or {}
    optimizer = wrapper.get("optimizer")
    if not isinstance(optimizer, dict):
        return

    def make_optimizer(part: ConfigDict) -> torch.optim.Optimizer:
        return OPTIMIZERS.build({**part, "params": [nn.Parameter(torch.zeros(1))]})

    problems = list(_tried("optim_wrapper.optimizer", optimizer, make_optimizer))
    yield from problems
    if problems:
        return

    def make_scheduler(part: ConfigDict) -> object:
        given = {k: v for k, v in part.items() if k != "convert_to_iter_based"}
        return PARAM_SCHEDULERS.build({**given, "optimizer": make_optimizer(optimizer)})

    for key, scheduler in nodes(cfg.get("param_scheduler"), "param_scheduler"):
        if "type" in scheduler:
            yield from _tried(key, scheduler, make_scheduler)
