"""A config's model: a part of it built outside a run, as its runner would; a run's unwrapped."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
from collections.abc import Iterator

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import MODELS, DefaultScope, Registry
from mmengine.utils import import_modules_from_strings
from torch import nn


@contextlib.contextmanager
def scope_of(cfg: Config) -> Iterator[str]:
    """The registry scope of a config, with its ``custom_imports`` done."""
    if cfg.get("custom_imports"):
        import_modules_from_strings(**cfg.custom_imports)
    scope = cfg.get("default_scope") or "mmengine"
    with DefaultScope.overwrite_default_scope(scope):
        yield scope


def build(cfg: Config, part: ConfigDict) -> nn.Module:
    """``cfg.model`` or a part of it, with the same random weights each time.

    The caller's random state stays as it was.
    """
    with scope_of(cfg), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MODELS.build(copy.deepcopy(part))  # some constructors take keys out of it


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what is printed and logged while something is built on trial."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def build_model(cfg: Config, part: ConfigDict) -> nn.Module:
    """``cfg.model`` or a part of it, without memory where that is possible."""
    try:
        return build_on_meta(cfg, part)
    except Exception:  # some constructors compute with what they make
        with quiet():
            return build(cfg, part)


def build_on_meta(cfg: Config, part: ConfigDict) -> nn.Module:
    """``cfg.model`` or a part of it, without memory for its weights."""
    with quiet(), torch.device("meta"):
        return build(cfg, part)


def find_class(cfg: Config, kind: str | type | None, registry: Registry = MODELS) -> type | None:
    """The class that a config means by a type, None where none is registered."""
    if not isinstance(kind, str):
        return kind
    with scope_of(cfg), registry.switch_scope_and_registry(None) as scoped:
        return scoped.get(kind)


def unwrapped(model: BaseModel) -> BaseModel:
    """The model itself, where a run of several processes has wrapped it."""
    return model.module if is_model_wrapper(model) else model
