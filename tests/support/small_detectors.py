"""MMDetection's detectors, small and with random weights that find something."""

import torch
from torch import nn

from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import randomize

_SCALE = {"test_dataloader.dataset.pipeline.1.scale": (200, 160)}
_R18 = {"model.backbone.depth": 18, "model.neck.in_channels": [64, 128, 256, 512]}
_DINO = {
    **{"model.backbone.depth": 18, "model.neck.in_channels": [128, 256, 512]},
    **{"model.num_queries": 50, "model.test_cfg.max_per_img": 50},
    **{"model.encoder.num_layers": 1, "model.decoder.num_layers": 2},
}
_SPARSE = {**_R18, "model.rpn_head.num_proposals": 50, "model.test_cfg.rcnn.max_per_img": 50}

DETECTORS = {
    "faster": ("faster_rcnn/faster-rcnn_r50_fpn_1x_coco", _R18),
    "cascade": ("cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco", _R18),
    "mask": ("mask_rcnn/mask-rcnn_r50_fpn_1x_coco", _R18),
    "retinanet": ("retinanet/retinanet_r18_fpn_1x_coco", {}),
    "fcos": ("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco", _R18),
    "atss": ("atss/atss_r50_fpn_1x_coco", _R18),
    "gfl": ("gfl/gfl_r50_fpn_1x_coco", _R18),
    "rtmdet": (
        "rtmdet/rtmdet_tiny_8xb32-300e_coco",
        {"test_dataloader.dataset.pipeline.2.size": (224, 224)},
    ),
    "dino": ("dino/dino-4scale_r50_8xb2-12e_coco", _DINO),
    "sparse": ("sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco", _SPARSE),
}
"""By a short name, the config and what makes it small."""

_CLASSIFIES = ("_cls", "rtm_cls", "cls_branches")


def config_of(name: str, **more: object):
    """The config's name on a command line, the options that make it small, and the config."""
    file, options = DETECTORS[name]
    options = {**_SCALE, **options, **more}
    return f"mmdet::{file}.py", options, load_config(f"mmdet::{file}.py", options)


def small_detector(name: str, **more: object):
    """A detector of a few classes' worth of confidence, in eval mode, and its config."""
    cfg = config_of(name, **more)[2]
    model = randomize(build(cfg, cfg.model))
    generator = torch.Generator().manual_seed(1)
    if hasattr(model, "level_embed"):  # left as the memory was until init_weights
        nn.init.normal_(model.level_embed, generator=generator)
    if proposals := getattr(getattr(model, "rpn_head", None), "init_proposal_bboxes", None):
        nn.init.uniform_(proposals.weight, 0.25, 0.75, generator=generator)  # no negative sides
    for key, module in model.named_modules():
        classifies = isinstance(module, (nn.Conv2d, nn.Linear)) and (
            key.endswith(_CLASSIFIES[0]) or any(part in key for part in _CLASSIFIES[1:])
        )
        if classifies:
            with torch.no_grad():
                module.weight.normal_(0, 0.05, generator=generator)
                module.bias.normal_(-1, 1, generator=generator)
    model.cfg = cfg
    return model.eval(), cfg
