"""Variants timed in turn, one step of each to a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from .networks import build_network
from .speed import Speed, step_speeds
from .variants import LAYOUTS, Variant, step


@dataclass(frozen=True)
class Measurement:
    """A variant's speed on a batch of images."""

    variant: Variant
    speed: Speed
    batch: int

    @property
    def images_per_second(self) -> float:
        return self.batch / self.speed.seconds

    def as_dict(self) -> dict:
        """For JSON: seconds of a step, memory in bytes."""
        return {
            **asdict(self.variant),
            **asdict(self.speed),
            "images_per_second": self.images_per_second,
        }


def measure(variants: Sequence[Variant], images: Tensor, rounds: int) -> list[Measurement]:
    """Time every variant ``rounds`` times on the same images (N, 3, H, W), interleaved."""
    speeds = step_speeds(steps_of(variants, images), rounds, images.device.type)
    return [Measurement(variant, speeds[variant], len(images)) for variant in variants]


def steps_of(variants: Sequence[Variant], images: Tensor) -> dict[Variant, Callable[[], None]]:
    """One step of each on the same images (N, 3, H, W).

    Variants of one network, mode and layout share their weights.
    """
    models: dict[tuple[str, str, str], nn.Module] = {}
    steps = {}
    for variant in variants:
        key = (variant.network, variant.mode, variant.layout)
        layout = LAYOUTS[variant.layout]
        if key not in models:
            model = build_network(variant.network)
            models[key] = model.to(images.device, memory_format=layout)
        steps[variant] = step(variant, models[key], images.contiguous(memory_format=layout))
    return steps


def random_images(batch: int, height: int, width: int, device: str) -> Tensor:
    """(batch, 3, height, width), the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, height, width, generator=generator).to(device)
