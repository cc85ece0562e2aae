"""What of a network is measured: inference or a training step, layout, compiler, precision."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch._dynamo
from torch import Tensor, nn

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
MODES = ("inference", "training")


@dataclass(frozen=True)
class Variant:
    """One way to run one network."""

    network: str
    mode: str
    """"inference" or "training": forward, backward and an SGD step."""
    layout: str
    """"nchw" or "nhwc", torch's channels_last."""
    compiled: bool = False
    precision: str = "float32"
    """or "bfloat16" or "float16", by autocast; the latter with a GradScaler in training."""


def variants(
    networks: Sequence[str],
    modes: Sequence[str],
    layouts: Sequence[str],
    compiled: Sequence[bool],
    precisions: Sequence[str],
) -> Iterator[Variant]:
    """All combinations."""
    for combination in itertools.product(networks, modes, layouts, compiled, precisions):
        yield Variant(*combination)


def step(variant: Variant, model: nn.Module, images: Tensor) -> Callable[[], object]:
    """A function that runs the variant once.

    Args:
        model: in the variant's layout, on the images' device; it is put into the variant's mode,
            and trained in place.
        images: (N, 3, H, W).
    """
    training = variant.mode == "training"
    model.train(training)
    run = _compile(model) if variant.compiled else model
    device = images.device.type
    precision = getattr(torch, variant.precision)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    scaler = _scaler(enabled=training and precision is torch.float16)

    def forward() -> Tensor:
        if precision is torch.float32:  # which torch 2.1's autocast refuses even if not enabled
            return run(images)
        with torch.autocast(device, precision):
            return run(images)

    def infer() -> None:
        with torch.no_grad():
            forward()

    def train() -> None:
        scaler.scale(forward().float().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return train if training else infer


def _compile(model: nn.Module) -> nn.Module:
    # to the compiler the networks are calls of one function; it would give up at the ninth variant
    torch._dynamo.config.cache_size_limit = 1_000
    return torch.compile(model)


def _scaler(enabled: bool) -> torch.cuda.amp.GradScaler:
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler("cuda", enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)  # torch before 2.3
