"""ResNeSkt-50 in configs of MMDetection that have an operator or a way of a GPU's own."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable

import torch

from mmresneskt.paper.zoo.sweep import try_one

from .work import Setting

HEADER = ("config", "seconds", "peak memory (MB)")
_CONFIGS = (
    "dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py",
    "dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py",
    "dino/dino-4scale_r50_8xb2-12e_coco.py",
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",
    "carafe/faster-rcnn_r50_fpn-carafe_1x_coco.py",
    "pisa/faster-rcnn_r50_fpn_pisa_1x_coco.py",
    "gcnet/mask-rcnn_r50-syncbn-gcb-r4-c3-c5_fpn_1x_coco.py",
    "resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py",
    "dcn/faster-rcnn_r50_fpn_dpool_1x_coco.py",
    "guided_anchoring/ga-faster-rcnn_r50_fpn_1x_coco.py",
    "reppoints/reppoints-moment_r50_fpn_1x_coco.py",
    "retinanet/retinanet_r50_fpn_amp-1x_coco.py",
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "dyhead/atss_r50_fpn_dyhead_1x_coco.py",
    "queryinst/queryinst_r50_fpn_1x_coco.py",
    "solov2/solov2_r50_fpn_1x_coco.py",
    "vfnet/vfnet_r50_fpn_1x_coco.py",
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py",
)


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """A trial of each config; a rehearsal has the first alone."""
    configs = _CONFIGS[: 1 if setting.rehearse else None]
    return {name: functools.partial(_try, name, setting.device) for name in configs}


def _try(name: str, device: str) -> list[list]:
    cuda = device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    folder, start = os.getcwd(), time.monotonic()
    try:
        try_one(name, "none", device=device, steps=2)  # in the zoo's folder
    finally:
        os.chdir(folder)
    memory = torch.cuda.max_memory_allocated() / 1e6 if cuda else "-"
    return [[name, time.monotonic() - start, memory]]
