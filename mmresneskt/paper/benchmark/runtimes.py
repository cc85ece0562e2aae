"""A trained model by PyTorch and by ONNX Runtime, whole and its backbone alone."""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmresneskt.network.deploy import deploy
from mmresneskt.runtime.onnx.agreement import predicted, prepared
from mmresneskt.runtime.onnx.features import export
from mmresneskt.runtime.onnx.properties import OLDEST_OPSET
from mmresneskt.runtime.onnx.reader import OnnxModel, open_session

from .speed import step_speeds
from .variants import compiled

RUNTIME_HEADER = ("of", "by", "ms an image", "fastest", "slowest", "spread %", "of PyTorch's time")
_EAGER = "PyTorch"

Steps = dict[tuple[str, str, int], Callable[[], object]]
"""By what is run, by what it is run, and the number of the image."""


def runtimes(
    args: argparse.Namespace,
    document: dict,
    model: BaseModel,
    transforms: list,
    images: Sequence[np.ndarray],
    exported: OnnxModel,
) -> list[tuple]:
    """Time of a model on images by each runtime.

    A row has the median over the images, each of which has the median of its rounds, the fastest
    and the slowest image, and of the distance of the quartiles of an image's rounds the median.

    Args:
        model, transforms, images, exported: of :func:`runtime_steps`.
    """
    steps = runtime_steps(model, transforms, images, exported, args.compile)
    speeds = step_speeds(steps, args.rounds, args.device)
    medians: dict[tuple[str, str], float] = {}
    rows = []
    for part, by in dict.fromkeys(key[:2] for key in steps):
        found = [speeds[part, by, number] for number in range(len(images))]
        times = [1e3 * speed.seconds for speed in found]
        medians[part, by] = statistics.median(times)
        spread = 100 * statistics.median(speed.spread / speed.seconds for speed in found)
        ratio = medians[part, by] / medians[part, _EAGER]
        rows.append([part, by, medians[part, by], min(times), max(times), spread, ratio])
    document["versions"]["onnxruntime"] = onnxruntime.__version__
    document.update(images=len(images), runtimes=[dict(zip(RUNTIME_HEADER, row)) for row in rows])
    return [(RUNTIME_HEADER, rows)]


def runtime_steps(
    model: BaseModel,
    transforms: list,
    images: Sequence[np.ndarray],
    exported: OnnxModel,
    compiles: bool,
) -> Steps:
    """Functions that run a model, or its backbone alone, once on one image.

    PyTorch's come first. Of the whole model all begin with the decoded image and end with what is
    found in it; the backbone begins with what the test pipeline and the normalisation make of it.

    Args:
        model: in eval mode.
        transforms: of the test pipeline.
        images: (H, W, 3), RGB, uint8.
        exported: the whole model's file.
        compiles: the same by ``torch.compile`` too, on the backbone and the neck: in what comes
            behind them sizes change with every image.
    """
    tensors = [torch.from_numpy(image) for image in images]
    batches = [prepared(model, transforms, image)["inputs"] for image in tensors]
    by_torch = {_EAGER: model, **({"compiled": _compiled(model)} if compiles else {})}
    by_onnx = f"ONNX Runtime, {exported.providers[0].removesuffix('ExecutionProvider')}"
    data = export(deploy(model.backbone).cpu(), batches[0].cpu(), OLDEST_OPSET, {})
    maps = open_session(data, exported.providers, torch.get_num_threads())
    whole: Steps = {}
    backbone: Steps = {}
    for n in range(len(images)):
        for by, one in by_torch.items():
            whole[type(model).__name__, by, n] = functools.partial(
                predicted, one, transforms, tensors[n]
            )
            backbone["backbone", by, n] = functools.partial(_maps, one.backbone, batches[n])
        whole[type(model).__name__, by_onnx, n] = functools.partial(exported, images[n])
        backbone["backbone", by_onnx, n] = functools.partial(
            maps.run, None, {"images": batches[n].cpu().numpy()}
        )
    return whole | backbone


@torch.no_grad()
def _maps(backbone: nn.Module, images: Tensor) -> Sequence[Tensor]:
    return backbone(images)


def _compiled(model: BaseModel) -> BaseModel:
    model = copy.deepcopy(model)
    for name in ("backbone", "neck"):
        if isinstance(part := getattr(model, name, None), nn.Module):
            setattr(model, name, compiled(part))
    return model
