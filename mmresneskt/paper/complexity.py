"""How large a model is, and how much it computes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from mmengine.analysis import ActivationAnalyzer, FlopAnalyzer, parameter_count
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from torch import nn

from mmresneskt.runtime.building import build

_UNCOUNTED = ("scaled_dot_product_attention", "deform_conv2d")
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
    uncounted: tuple[str, ...] = ()  # multiplying operators without a counter


def complexity(model: nn.Module, height: int, width: int) -> Complexity:
    """Count by mmengine's analysers, on one random image (1, 3, height, width) on its device.

    The model's forward takes the image and nothing else. Operators without a counter,
    such as deformable convolution, are left out and named.
    """
    model = revert_sync_batchnorm(model)
    model.eval()  # a backbone of the MM libraries does not return itself
    counts, uncounted = [], set()
    # how many proposals a detector has depends on its weights and the image: fixed here
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        device = next((p.device for p in model.parameters()), "cpu")
        image = torch.rand(1, 3, height, width).to(device)
        for analyzer in (FlopAnalyzer(model, image), ActivationAnalyzer(model, image)):
            analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            analyzer.tracer_warnings("none")
            by_operator = analyzer.by_operator()
            counts.append(int(sum(by_operator[name] for name in _MULTIPLYING)))
            skipped = (name.split("::")[-1] for name in analyzer.unsupported_ops())
            uncounted |= {name for name in skipped if name.startswith(_UNCOUNTED)}
    macs, activations = counts
    return Complexity(parameter_count(model)[""], macs, activations, tuple(sorted(uncounted)))


def build_for_counting(cfg: Config, height: int, width: int) -> nn.Module:
    """The model of a config with the same random weights each time, called on an image alone.

    Detectors are told the image's shape, as MMDetection's own counter does.
    """
    model = build(cfg, cfg.model)
    if cfg.get("default_scope") == "mmdet":
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
