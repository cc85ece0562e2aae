"""A whole Faster R-CNN with one backbone or another, in its parts."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm

from mmresneskt.runtime.building import build, scope_of

from .variants import LAYOUTS

PARTS = ("backbone", "neck", "rpn", "roi heads", "training step")


def detector_steps(
    cfg: Config,
    batch: int,
    size: tuple[int, int],
    layout: str,
    device: str,
    precision: str = "float32",
) -> dict[str, Callable[[], object]]:
    """Functions that run a part of a two-stage detector once, by name of the part.

    All but the last are of inference. Weights, images and objects are random; the region
    proposals are therefore as many as the config allows.

    Args:
        size: height and width of the images in pixels.
        precision: or "float16" or "bfloat16", by autocast; the gradients are not scaled.
    """
    model = revert_sync_batchnorm(build(cfg, cfg.model)).to(device, memory_format=LAYOUTS[layout])
    from mmdet.testing import demo_mm_inputs  # needs MMDetection

    with scope_of(cfg):
        classes = cfg.model.roi_head.bbox_head.num_classes
        data = model.data_preprocessor(demo_mm_inputs(batch, (3, *size), num_classes=classes), True)
    images = data["inputs"].to(memory_format=LAYOUTS[layout])
    samples = data["data_samples"]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def cast() -> contextlib.AbstractContextManager:
        if precision == "float32":  # which torch 2.1's autocast refuses even if not enabled
            return contextlib.nullcontext()
        return torch.autocast(device, getattr(torch, precision))

    model.eval()
    with torch.no_grad(), cast():
        maps = model.backbone(images)
        pyramid = model.neck(maps)
        proposals = model.rpn_head.predict(pyramid, samples, rescale=False)

    def inference(function: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            model.train(False)
            with torch.no_grad(), cast():
                function()

        return run

    def train() -> None:
        model.train(True)
        with cast():
            loss, _ = model.parse_losses(model.loss(images, copy.deepcopy(samples)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    functions = (
        inference(lambda: model.backbone(images)),
        inference(lambda: model.neck(maps)),
        inference(lambda: model.rpn_head.predict(pyramid, samples, rescale=False)),
        inference(lambda: model.roi_head.predict(pyramid, copy.deepcopy(proposals), samples)),
        train,
    )
    return dict(zip(PARTS, functions))
