"""What of a backbone is measured: inference or a training step, layout, compiler, precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch._dynamo
from torch import Tensor, nn

from ..peers import build_timed

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


@dataclass(frozen=True)
class Variant:
    """One way to run one backbone."""

    network: str
    mode: str
    """"inference" or "training": forward, backward and an SGD step."""
    layout: str
    """"nchw" or "nhwc", torch's channels_last."""
    compiled: bool = False
    precision: str = "float32"
    """or "bfloat16" or "float16", by autocast; the latter with a GradScaler in training."""


def steps_of(variants: Sequence[Variant], images: Tensor) -> dict[Variant, Callable[[], object]]:
    """One step of each on the same images (N, 3, H, W).

    Variants of one backbone, mode and layout share their weights.
    """
    models: dict[tuple[str, str, str], nn.Module] = {}
    steps = {}
    for variant in variants:
        key = (variant.network, variant.mode, variant.layout)
        layout = LAYOUTS[variant.layout]
        if key not in models:
            models[key] = build_timed(variant.network).to(images.device, memory_format=layout)  # type: ignore[call-overload]
        steps[variant] = step(variant, models[key], images.contiguous(memory_format=layout))
    return steps


def step(variant: Variant, model: nn.Module, images: Tensor) -> Callable[[], object]:
    """A function that runs the variant once.

    Args:
        model: in the variant's layout, on the images' device; it is put into the variant's mode,
            and trained in place.
        images: (N, 3, H, W).
    """
    training = variant.mode == "training"
    model.train(training)
    run = compiled(model) if variant.compiled else model
    device = images.device.type
    precision = getattr(torch, variant.precision)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    scaler = _scaler(enabled=training and precision is torch.float16)

    def forward() -> Tensor:
        if precision is torch.float32:  # which torch 2.1's autocast refuses even if not enabled
            return run(images)[-1]
        with torch.autocast(device, precision):
            return run(images)[-1]

    def train() -> None:
        scaler.scale(forward().float().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return train if training else torch.no_grad()(forward)


def compiled(model: nn.Module) -> nn.Module:
    """A model behind ``torch.compile``, one of any number."""
    # to the compiler the networks are calls of one function; it would give up at the ninth variant
    torch._dynamo.config.cache_size_limit = 1_000
    return torch.compile(model)  # type: ignore[return-value]


def _scaler(enabled: bool) -> torch.amp.GradScaler:
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler("cuda", enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)  # torch before 2.3
