"""Misspelt keys: at the top of a config, and as arguments of what is built from it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator

from mmengine.config import Config
from mmengine.registry import (
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    PARAM_SCHEDULERS,
    WEIGHT_INITIALIZERS,
)
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..building import scope_of
from ..config.keywords import keywords, some_keywords
from ..config.parts import Part, parts
from ..config.tree import nodes
from ..config.variables import READ
from ..errors import did_you_mean
from .findings import Finding, error

# taken out of a part before it is built, or put in by what builds it
_TAKEN_OUT = {
    HOOKS: ("priority",),
    LOOPS: ("by_epoch", "runner", "dataloader", "evaluator"),
    METRICS: ("metrics",),
    MODELS: ("bg_cls_weight", "pretrained"),  # by DETR's head, by models of text and images
    OPTIM_WRAPPERS: ("constructor", "paramwise_cfg"),
    PARAM_SCHEDULERS: ("convert_to_iter_based",),
    WEIGHT_INITIALIZERS: ("layer", "override"),
}
_ALWAYS = ("type", "_scope_", "_delete_")
_NORM = ("norm_cfg", "norm")
_LOADER: tuple[str, ...] = ("dataset", "sampler", "batch_sampler", "collate_fn", "worker_init_fn")
_LOADER += ("num_batch_per_epoch",)
_PARAMWISE: tuple[str, ...] = ("custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult")
_PARAMWISE += ("dwconv_decay_mult", "flat_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate")
# the dictionaries of which mmengine reads these keys and no other
_FIXED = {
    "env_cfg": ("cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"),
    "auto_scale_lr": ("base_batch_size", "enable"),
    "randomness": tuple(inspect.signature(Runner.set_randomness).parameters)[1:],
    **{
        key: tuple({**inspect.signature(DataLoader).parameters, **dict.fromkeys(_LOADER)})
        for key in ("train_dataloader", "val_dataloader", "test_dataloader")
    },
}


def misspelt(cfg: Config) -> Iterator[Finding]:
    """Top-level names that are nearly a known one, unknown types, unknown arguments."""
    yield from _top_level(cfg)
    for key, node in nodes(cfg):
        known = _FIXED.get(key, ())
        if key == "optim_wrapper.paramwise_cfg" and "constructor" not in cfg.optim_wrapper:
            known = _PARAMWISE
        for name in node if known else ():
            if name not in known and name not in _ALWAYS:
                yield _unknown(f"{key}.{name}", f"{key} has no setting {name!r}", name, known)
    with scope_of(cfg):
        for part in parts(cfg):
            found = part.find()
            if found is not None:
                yield from _unknown_arguments(part, found)
            elif not isinstance(part.type, str):
                message = f"{part.type!r} is not allowed: give the name of a class"
                yield error(f"{part.key}.type", message)
            elif _must_be_registered(part):
                with part.registries[0].switch_scope_and_registry(None) as found:
                    message = f"{part.type} is not in the {found.scope}::{found.name} registry"
                yield _unknown(f"{part.key}.type", message, part.type, part.names())


def _top_level(cfg: Config) -> Iterator[Finding]:
    """A config may have names of its own; those nearly like a known one that it lacks are
    taken for it."""
    lacking = [name for name in READ if name not in cfg]
    for name in cfg:
        near = [] if name in READ or name.startswith("_") else _nearly(name, lacking)
        if near:
            yield error(name, f"{name} is no setting of a config. Did you mean {near[0]}?")
    if not cfg.get("model"):
        yield error("model", f"the config has no model.{did_you_mean('model', list(cfg))}")


def _nearly(name: str, known: list[str]) -> list[str]:
    """Known names that ``name`` is a misspelling of, and hardly anything else."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.87)
    return near + [word for word in known if sorted(word) == sorted(name)]  # letters swapped


def _unknown_arguments(part: Part, found: Callable) -> Iterator[Finding]:
    if part.key.endswith(".dcn"):  # its blocks take some of these, and rename some
        return
    certain = some_keywords(found)
    extra = [name for registry in part.registries for name in _TAKEN_OUT.get(registry, ())]
    if part.key.rpartition(".")[2] in _NORM:
        extra.append("requires_grad")
    lacking = [name for name in certain if name not in part.cfg]
    for name in part.cfg:
        if name in certain or name in extra or name in _ALWAYS:
            continue
        if keywords(found) is not None or _nearly(name, lacking):  # else it may be for **kwargs
            message = f"{getattr(found, '__name__', found)} has no argument {name!r}"
            yield _unknown(f"{part.key}.{name}", message, name, certain)


def _must_be_registered(part: Part) -> bool:
    """Some types inside a model or a transform, as of an operator, are looked up elsewhere."""
    if not part.key.startswith("model."):
        return ".transforms." not in part.key
    return part.key.split(".")[-1] in ("backbone", "neck", "head", "rpn_head", "roi_head")


def _unknown(key: str, message: str, name: str, known: Iterable[str]) -> Finding:
    hint = did_you_mean(name, known)
    return error(key, f"{message}{'.' if hint else ''}{hint}")
