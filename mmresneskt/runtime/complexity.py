"""How large a model is, and how much it computes."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from .building import build, build_model

_UNCOUNTED = ("scaled_dot_product", "deform_conv2d")


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
    """Count by torch's ``FlopCounterMode``, on one random image (1, 3, height, width).

    The model's forward takes the image and nothing else; on the meta device it computes nothing.
    Operators without a counter, such as deformable convolution, are left out and named.
    """
    model = revert_sync_batchnorm(model)
    model.eval()  # a backbone of the MM libraries does not return itself
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    # how many proposals a detector has depends on its weights and the image: fixed here
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        image = torch.rand(1, 3, height, width).to(device)
        with torch.device(device), FlopCounterMode(display=False) as counter, _Outputs() as outputs:
            model(image)  # with gradients: without, attention takes a fused way that is not counted
    counted = counter.get_flop_counts().get("Global", {})
    others = {str(o).rpartition(".")[2].lstrip("_") for o in outputs.sizes.keys() - counted.keys()}
    return Complexity(
        sum(parameter.numel() for parameter in model.parameters()),
        counter.get_total_flops() // 2,
        sum(outputs.sizes[operator] for operator in counted),
        tuple(sorted(name for name in others if name.startswith(_UNCOUNTED))),
    )


class _Outputs(TorchDispatchMode):
    """Adds up the values that each operator puts out first."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: Counter[Any] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, (tuple, list)) and out else out
        if isinstance(first, Tensor):
            self.sizes[func.overloadpacket] += first.numel()
        return out


def build_for_counting(cfg: Config, height: int, width: int) -> nn.Module:
    """The model of a config with the same random weights each time, called on an image alone.

    Detectors are told the image's shape, as MMDetection's own counter does; others hold no memory.
    """
    if cfg.get("default_scope") != "mmdet":
        model = build_model(cfg, cfg.model).to("meta")
        if cfg.get("default_scope") == "mmpose":  # whose forward has no default for it
            model.forward = functools.partial(model.forward, data_samples=None)
        return model
    from mmdet.structures import DetDataSample  # needs MMDetection

    model = build(cfg, cfg.model)
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
