"""Which parts of a config are built by name, and from which registries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmengine.config import Config, ConfigDict
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    EVALUATOR,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TASK_UTILS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    WEIGHT_INITIALIZERS,
    Registry,
)

from .tree import nodes

_LOADER = r"((train|val|test)_|val_cfg\.train_)dataloader"
# the first that matches a dotted key says where its type is registered
_REGISTRIES: tuple[tuple[str, tuple[Registry, ...]], ...] = (
    (rf"{_LOADER}\.(batch_)?sampler", (DATA_SAMPLERS,)),
    (rf"{_LOADER}\.(.*\.)?(dataset|datasets\.\d+)", (DATASETS,)),
    (rf"{_LOADER}\.dataset\.(.*\.)?\w*(pipeline|transforms)\w*\.\d+(\.\d+)*", (TRANSFORMS,)),
    (r"(train|val|test)_cfg", (LOOPS,)),
    (r"(val|test)_evaluator(\.\d+)?", (METRICS, EVALUATOR)),
    (r"(val|test)_evaluator\.metrics(\.\d+)?", (METRICS,)),
    (r"(default|custom)_hooks\.\w+", (HOOKS,)),
    (r"optim_wrapper", (OPTIM_WRAPPERS,)),
    (r"optim_wrapper\.optimizer", (OPTIMIZERS,)),
    (r"param_scheduler(\.\d+)?", (PARAM_SCHEDULERS,)),
    (r"visualizer", (VISUALIZERS,)),
    (r"visualizer\.vis_backends\.\d+", (VISBACKENDS,)),
    (r"log_processor", (LOG_PROCESSORS,)),
    (r"model\.(.*\.)?init_cfg(\.\d+)?", (WEIGHT_INITIALIZERS,)),
    (r"(model|data_preprocessor)(\..*)?", (MODELS, TASK_UTILS)),
)
# what mmengine builds where the config names no type
_DEFAULTS = {
    "val_cfg": "ValLoop",
    "test_cfg": "TestLoop",
    "optim_wrapper": "OptimWrapper",
    "log_processor": "LogProcessor",
    "default_hooks.runtime_info": "RuntimeInfoHook",
    "default_hooks.timer": "IterTimerHook",
    "default_hooks.sampler_seed": "DistSamplerSeedHook",
    "default_hooks.logger": "LoggerHook",
    "default_hooks.param_scheduler": "ParamSchedulerHook",
    "default_hooks.checkpoint": "CheckpointHook",
}


@dataclass(frozen=True)
class Part:
    """A dictionary of a config from which something is built."""

    key: str
    cfg: ConfigDict
    type: str | type
    registries: tuple[Registry, ...]

    def find(self) -> Callable | None:
        """The class or function of that type; None where no registry has it.

        To be called in :func:`mmresneskt.runtime.building.scope_of`.
        """
        if not isinstance(self.type, str):
            return self.type if callable(self.type) else None
        for registry in self.registries:
            with registry.switch_scope_and_registry(self.cfg.get("_scope_")) as scoped:
                found = scoped.get(self.type)
            if found is not None:
                return found
        return None

    def names(self) -> set[str]:
        """What is registered where this part's type should be."""
        names: set[str] = set()
        for registry in self.registries:
            with registry.switch_scope_and_registry(None) as scoped:
                while scoped is not None:
                    names |= set(scoped.module_dict)
                    scoped = scoped.parent
        return names


def parts(cfg: Config) -> Iterator[Part]:
    """Every part of the config that names a type, or whose type mmengine knows."""
    for key, node in nodes(cfg):
        kind = node.get("type", _default_type(key, node))
        registries = registries_of(key)
        if kind is not None and registries:
            yield Part(key, node, kind, registries)


def registries_of(key: str) -> tuple[Registry, ...]:
    """Where the type of the part at a dotted key is looked up; none where that is not known."""
    return next((found for pattern, found in _REGISTRIES if re.fullmatch(pattern, key)), ())


def _default_type(key: str, node: ConfigDict) -> str | None:
    if key == "train_cfg":
        return "EpochBasedTrainLoop" if node.get("by_epoch", True) else "IterBasedTrainLoop"
    return _DEFAULTS.get(key)
