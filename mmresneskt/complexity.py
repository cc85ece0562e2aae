"""How large a model is, and how much it computes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from mmengine.analysis import ActivationAnalyzer, FlopAnalyzer, parameter_count
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from mmengine.utils import import_modules_from_strings
from torch import nn

_MULTIPLYING = ("conv", "linear", "addmm", "matmul", "mm", "bmm", "einsum")


@dataclass(frozen=True)
class Complexity:
    """Counts for one image: parameters, multiply-accumulates and activations.

    Multiply-accumulates are those of convolutions and matrix products, as the paper and
    most tables count them; activations are the values that these put out.
    """

    params: int
    macs: int
    activations: int


def complexity(model: nn.Module, height: int, width: int) -> Complexity:
    """Count by mmengine's analysers, on one random image (1, 3, height, width).

    The model's forward takes the image and nothing else. Operators without a counter
    (deformable convolution, for one) count as nothing.
    """
    model = revert_sync_batchnorm(model).eval()
    image = torch.rand(1, 3, height, width)
    counts = []
    for analyzer in (FlopAnalyzer(model, image), ActivationAnalyzer(model, image)):
        analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analyzer.tracer_warnings("none")
        by_operator = analyzer.by_operator()
        counts.append(int(sum(by_operator[name] for name in _MULTIPLYING)))
    return Complexity(parameter_count(model)[""], *counts)


def build_for_counting(cfg: Config, height: int, width: int) -> nn.Module:
    """The model of a config with random weights, its forward taking an image alone.

    Detectors are told the image's shape, as MMDetection's own counter does.
    """
    imports = cfg.get("custom_imports")
    if imports:
        import_modules_from_strings(**imports)
    scope = cfg.get("default_scope") or "mmengine"
    init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg.model)
    if scope == "mmdet":
        from mmdet.structures import DetDataSample  # needs MMDetection

        shape = (height, width)
        sample = DetDataSample(
            metainfo=dict(
                img_shape=shape,
                ori_shape=shape,
                pad_shape=shape,
                batch_input_shape=shape,
                scale_factor=(1.0, 1.0),
            )
        )
        model.forward = functools.partial(model.forward, data_samples=[sample])
    return model
