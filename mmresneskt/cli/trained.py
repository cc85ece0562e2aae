"""A trained model for a command that takes images."""

from __future__ import annotations

import argparse

from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from mmresneskt.data.classes import set_trained_classes
from mmresneskt.runtime.checkpoint import trust
from mmresneskt.runtime.trained import (
    build_model,
    dataset_meta,
    load_weights,
    meta_of_test_dataset,
    pipeline,
    read_checkpoint,
    to_device,
    weights,
)

from .config import load


class Trained:
    """A trained model in eval mode with what belongs to it.

    Args:
        args: of :func:`add_trained_arguments`.

    Attributes:
        model: on the device, with its config as ``model.cfg``, as MMDetection's
            ``init_detector`` leaves it.
        pipeline: of the config's test images.
        dataset_meta: that of the checkpoint where it names the classes, else that of the
            config's test dataset.

    Raises:
        UserError: the config, the checkpoint or the device is not as it should be.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        trust(args.trust_checkpoint)
        cfg = load(args)
        checkpoint = read_checkpoint(args.checkpoint)
        meta = dataset_meta(checkpoint, args.checkpoint)
        set_trained_classes(cfg, meta.get("classes"))
        self.pipeline = pipeline(cfg, args.config)
        init_default_scope(cfg.get("default_scope", "mmdet"))  # for what the model looks up later
        model = build_model(cfg, args.config)
        load_weights(model, weights(checkpoint), args.checkpoint, args.config)
        self.dataset_meta = meta if meta.get("classes") else meta_of_test_dataset(cfg)
        self.model: BaseModel = to_device(model, args.device).eval()
        self.model.cfg = cfg
