"""A network from images to logits, probabilities or maps, compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..errors import UserError
from .trace import Axes, outputs, trace

TOLERANCE = 1e-4  # of the outputs' scale


def export(
    model: nn.Module,
    images: Tensor,
    opset: int,
    properties: dict[str, str],
    fixed: tuple[int, ...] = (),
    name: str = "logits",
) -> bytes:
    """A model in eval mode, images (N, C, H, W) -> a matrix or a tuple of maps, as an ONNX file.

    Args:
        fixed: those of the dimensions 0, 2 and 3 of the images that are no longer open.
        name: of the matrix; maps are ``feature0``, ``feature1``, ...

    Raises:
        UserError: PyTorch cannot export it.
    """
    with torch.no_grad():
        results = model(images)
    results = [results] if isinstance(results, Tensor) else results
    axes: Axes = {"images": {0: "batch", 2: "height", 3: "width"}}
    if results[0].ndim == 4:
        count = range(len(results))
        axes |= {f"feature{i}": {0: "batch", 2: f"height{i}", 3: f"width{i}"} for i in count}
    else:
        axes[name] = {0: "batch"}
    axes = {k: {i: n for i, n in open_.items() if i not in fixed} for k, open_ in axes.items()}
    return trace(model, images, axes, opset, properties)


def compare(
    data: bytes, model: Callable[[Tensor], Tensor | Sequence[Tensor]], batches: list[Tensor]
) -> tuple[float, float]:
    """The largest difference of an ONNX file's outputs from the model's, and their largest value.

    Raises:
        UserError: ONNX Runtime cannot run the file, or an output's difference is above
            :data:`TOLERANCE` of its largest value.
    """
    differences, scales = [0.0], [0.0]
    for images, found in zip(batches, outputs(data, batches)):
        with torch.no_grad():
            expected = model(images)
        expected = [expected] if isinstance(expected, Tensor) else expected
        for ours, theirs in zip(found, expected):
            difference = (ours - theirs).abs().max().item()
            scale = theirs.abs().max().item()
            if not difference <= TOLERANCE * scale:  # NaN fails too
                raise UserError(
                    f"what was exported differs from PyTorch by {difference:.1e}, of values up to "
                    f"{scale:.3g}: nothing is written"
                )
            differences.append(difference)
            scales.append(scale)
    return max(differences), max(scales)
