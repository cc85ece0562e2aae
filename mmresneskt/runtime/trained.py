"""A trained model from a config and a checkpoint that fit each other."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS
from mmengine.runner import CheckpointLoader
from torch import nn

from .building import build
from .config.datasets import leaves, plain_list
from .errors import UserError, explain
from .pipeline import test_pipeline


def read_checkpoint(filename: str) -> dict:
    """A checkpoint in CPU memory, from a file, a URL or another of mmengine's schemes.

    Raises:
        UserError: it is not there, or :func:`mmresneskt.runtime.checkpoint.load_file` refuses it.
    """
    if "://" not in filename and not Path(filename).expanduser().is_file():
        raise UserError(f"checkpoint {filename} does not exist")
    try:
        return CheckpointLoader.load_checkpoint(filename, map_location="cpu")
    except Exception as error:  # of the network, of the file
        raise UserError(explain(error)) from error


def dataset_meta(checkpoint: dict, filename: str) -> dict:
    """What a checkpoint says about the data of its training; nothing where it does not.

    Raises:
        UserError: its classes are no list of names, or its ``cat_ids`` none of as many.
    """
    meta = (checkpoint.get("meta") or {}).get("dataset_meta")
    # MMDetection 2 wrote CLASSES, and MMPose has the categories of COCO's file there
    found = {str(k).lower(): v for k, v in meta.items()} if isinstance(meta, dict) else {}
    classes = found.get("classes")
    if isinstance(classes, list) and all(isinstance(c, dict) and "name" in c for c in classes):
        found["classes"] = [category["name"] for category in classes]
    return _checked(found, f"checkpoint {filename}: its meta['dataset_meta']")


def _checked(meta: dict, what: str) -> dict:
    """Of a dataset, with lists in place of arrays."""
    meta = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in meta.items()}
    for key in ("classes", "cat_ids"):
        if meta.get(key) is not None:
            meta[key] = plain_list(meta[key], f"{what}: {key}")
    names, ids = meta.get("classes"), meta.get("cat_ids")
    if names and ids and len(ids) < len(names):
        raise UserError(f"{what}: {len(ids)} cat_ids for {len(names)} classes")
    return meta


def weights(checkpoint: dict) -> dict[str, torch.Tensor]:
    """The entries of a checkpoint, without the prefix of a model that ran on several GPUs.

    mmengine puts averaged weights (EMAHook) in the place of the last ones.
    """
    given = checkpoint.get("state_dict", checkpoint)
    return {str(key).removeprefix("module."): value for key, value in given.items()}


def pipeline(cfg: Config, filename: str) -> Compose:
    try:
        return test_pipeline(cfg)
    except Exception as error:  # transforms check their arguments in many ways
        raise UserError(f"config {filename}: {explain(error)}") from error


def build_model(cfg: Config, filename: str) -> nn.Module:
    """The model of a config, for one process.

    Raises:
        UserError: it has none, or one that cannot be built.
    """
    if not cfg.get("model"):
        raise UserError(f"config {filename} has no model")
    if cfg.get("data_preprocessor") and "data_preprocessor" not in cfg.model:
        cfg.model.data_preprocessor = cfg.data_preprocessor  # as the Runner does for MMPretrain
    try:
        return revert_sync_batchnorm(build(cfg, cfg.model))
    except Exception as error:
        raise UserError(explain(error)) from error


def load_weights(
    model: nn.Module, given: dict, checkpoint: str, config: str, extra_allowed: bool = False
) -> None:
    """Load all of a model's weights; mmengine alone would only log those that do not fit.

    Args:
        given: of :func:`weights`.
        checkpoint, config: their names, for the message.
        extra_allowed: the checkpoint may hold entries that the model has not.

    Raises:
        UserError: they do not fit.
    """
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    fit = {key for key in shapes if getattr(given.get(key), "shape", None) == shapes[key]}
    try:
        missing, unexpected = model.load_state_dict(given, strict=False)
    except Exception as error:  # of shapes, of what is no tensor, of a module that converts names
        odd = [key for key in (*shapes, *given) if key not in fit]
        if not odd:
            raise UserError(f"checkpoint {checkpoint}: {explain(error)}") from error
    else:
        odd = [*missing, *([] if extra_allowed else unexpected)]
    if odd:
        raise UserError(
            f"checkpoint {checkpoint} does not fit config {config}: "
            f"{len(fit) or 'none'} of the model's {len(shapes)} entries and of the checkpoint's "
            f"{len(given)} have the same name and shape; {odd[0]} does not"
        )


def meta_of_test_dataset(cfg: Config) -> dict:
    """The metainfo that the config's test dataset would have; of none there is none.

    Raises:
        UserError: see :func:`dataset_meta`.
    """
    dataset = next((d for key, d in leaves(cfg).items() if key.startswith("test_")), None)
    if dataset is None:
        return {}
    with DATASETS.switch_scope_and_registry(cfg.get("default_scope", "mmdet")) as registry:
        kind = registry.get(dataset.type)
    # not built: that would read the data, which need not be there
    meta = kind._load_metainfo(dataset.get("metainfo")) if kind else {}
    return _checked(meta, "the metainfo of the config's test dataset")


def to_device(model: nn.Module, device: str | None) -> nn.Module:
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for CUDA
        raise UserError(f"--device {device}: {str(error).splitlines()[0]}") from error
