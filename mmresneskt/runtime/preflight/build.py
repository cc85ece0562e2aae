"""Build the parts of a config, and tell which setting keeps one from being built."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import (
    DATASETS,
    METRICS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISBACKENDS,
)
from torch import nn

from ..building import build_model, build_on_meta, quiet, scope_of
from ..config.keywords import keywords
from ..config.parts import Part, parts
from ..config.tree import nodes
from ..distributed import replace_sync_bn
from ..errors import UserError, explain
from .blame import blame, causes
from .files import makes_its_files
from .findings import Finding, error, warning

# by a backend of mmengine's, what it imports once it is used
_BACKENDS = {
    "TensorboardVisBackend": "torch.utils.tensorboard",
    "WandbVisBackend": "wandb",
    "MLflowVisBackend": "mlflow",
    "ClearMLVisBackend": "clearml",
    "NeptuneVisBackend": "neptune",
    "DVCLiveVisBackend": "dvclive",
    "AimVisBackend": "aim",
}
_OF_DATA = ("ann_file", "gt_folder", "seg_prefix", "backend_args")


def unbuildable(cfg: Config) -> Iterator[Finding]:
    """What cannot be built: optimizer, schedules, transforms, metrics, datasets and backends.

    The model is :func:`model_of`.

    Datasets are built without reading their data.
    """
    with scope_of(cfg), quiet():
        yield from _optimization(cfg)
        for part in parts(cfg):
            registry = part.registries[0]
            # those inside another are built with it, and may be another library's
            if registry is TRANSFORMS and ".transforms." not in part.key:
                yield from _unmixed(cfg, part) or tried(part.key, part.cfg, TRANSFORMS.build)
            elif registry is METRICS and "metrics" not in part.cfg:
                without = without_data(part)
                if without is not None:
                    yield from tried(part.key, without, METRICS.build)
            elif registry is VISBACKENDS:
                yield from _backend(part)
            elif registry is DATASETS and _is_lazy(part):
                yield from tried(part.key, part.cfg, build_lazily)


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


def tried(key: str, part: ConfigDict, make: Callable) -> Iterator[Finding]:
    """Why ``make`` cannot build a part of a config, if it cannot."""
    try:
        make(copy.deepcopy(part))
    except (
        ImportError,
        OSError,
        UserError,
    ):  # told where files, classes and versions are asked for
        return
    except Exception as failure:
        yield blame(failure, key, part, make)


def without_data(part: Part) -> ConfigDict | None:
    """A metric's settings without its annotations, which it reads when it is built.

    None where it cannot be built so; COCO's can.
    """
    of_data = [name for name in _OF_DATA if name in part.cfg]
    if of_data and part.type != "CocoMetric":
        return None
    return ConfigDict({key: value for key, value in part.cfg.items() if key not in of_data})


def _unmixed(cfg: Config, part: Part) -> list[Finding]:
    """A transform that wants other images, such as Mosaic, in a dataset that gives it none."""
    kind = part.find()
    # hasattr() would fail: mmcv's descriptor wants an object
    mixes = any("get_indexes" in vars(base) for base in getattr(kind, "__mro__", ()))
    if not mixes or "max_cached_images" in (keywords(kind) or {}):
        return []
    owner = part.key.rpartition(".pipeline.")[0]
    dataset = dict(nodes(cfg)).get(owner, {})
    if dataset.get("type") == "MultiImageMixDataset":
        return []
    return [
        error(
            part.key,
            f"{part.type} mixes several images, and {dataset.get('type')} gives it one. Make "
            f"{owner} a MultiImageMixDataset with {part.type} and what follows it in its "
            f"pipeline, and in it this dataset with what stands before",
        )
    ]


def _backend(part: Part) -> Iterator[Finding]:
    """A package that a backend of the visualizer imports when something is first drawn."""
    for base in getattr(part.find(), "__mro__", ()):
        module = _BACKENDS.get(base.__name__)
        try:
            importlib.import_module(module or "torch")
        except ImportError as failure:
            package = str(module).rpartition(".")[2]
            yield error(
                f"{part.key}.type",
                f"{part.type} needs {package}: {failure}. pip install {package}",
            )


def build_lazily(dataset: ConfigDict) -> Any:
    """A dataset that has not read its data."""
    return DATASETS.build({**dataset, "lazy_init": True, "pipeline": []})


def _optimization(cfg: Config) -> Iterator[Finding]:
    wrapper = cfg.get("optim_wrapper") or {}
    optimizer = wrapper.get("optimizer")
    if not isinstance(optimizer, dict):
        return

    def make_optimizer(part: ConfigDict) -> torch.optim.Optimizer:
        return OPTIMIZERS.build({**part, "params": [nn.Parameter(torch.zeros(1))]})

    problems = list(tried("optim_wrapper.optimizer", optimizer, make_optimizer))
    yield from problems
    if problems:
        return

    def make_scheduler(part: ConfigDict) -> object:
        given = {k: v for k, v in part.items() if k != "convert_to_iter_based"}
        return PARAM_SCHEDULERS.build({**given, "optimizer": make_optimizer(optimizer)})

    for key, scheduler in nodes(cfg.get("param_scheduler"), "param_scheduler"):
        if "type" in scheduler:
            yield from tried(key, scheduler, make_scheduler)
