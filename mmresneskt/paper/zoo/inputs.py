"""Synthetic images with all the annotations that some model of MMDetection learns from."""

from __future__ import annotations

import torch
from mmdet.structures import ReIDDataSample
from mmdet.testing import demo_mm_inputs, demo_mm_proposals, demo_track_inputs
from mmengine.config import Config

from mmresneskt.runtime.config.tree import nodes

_SHAPE = (3, 128, 128)
_LARGER = (3, 256, 256)  # for models that choose 900 queries among all positions
_PERSON = (256, 128)
_PROPOSALS = 20


def synthetic_batch(cfg: Config) -> dict:
    """Two images, or one video of two frames, as a data loader gives them."""
    kind = cfg.model.get("data_preprocessor", {}).get("type", "")
    # demo_mm_inputs draws a map of classes as bytes; objects of a panoptic model are its things
    named = ("num_classes", "num_things_classes")
    numbers = [node.get(name) for _, node in nodes(cfg.model) for name in named]
    classes = min([255, *(number for number in numbers if isinstance(number, int))])
    if kind.startswith("ReID"):
        return _people(classes)
    if kind.startswith("Track"):
        return demo_track_inputs(
            1, 2, key_frames_inds=[0], image_shapes=_SHAPE, num_classes=1, with_mask=True
        )
    stride = 8 if cfg.model.type in ("HybridTaskCascade", "SCNet") else 1
    shape = _LARGER if cfg.model.type in ("DINO", "DDQDETR", "GroundingDINO") else _SHAPE
    batch = demo_mm_inputs(
        2,
        shape,
        num_classes=max(classes, 2),
        sem_seg_output_strides=stride,
        with_mask=True,
        with_semantic=True,
    )
    for sample in batch["data_samples"]:
        sample.gt_instances.labels %= classes  # demo_mm_inputs leaves out class 0
    if "roi_head" in cfg.model and "rpn_head" not in cfg.model:
        proposals = demo_mm_proposals([shape] * 2, _PROPOSALS)
        for sample, proposed in zip(batch["data_samples"], proposals):
            sample.proposals = proposed
    return batch


def _people(classes: int) -> dict:
    """Two images each of two people, as one item."""
    images = torch.randint(0, 256, (4, 3, *_PERSON), dtype=torch.uint8)
    sample = ReIDDataSample(metainfo=dict(img_shape=_PERSON, ori_shape=_PERSON))
    sample.set_gt_label([label % classes for label in (0, 0, 1, 1)])
    return dict(inputs=[images], data_samples=[sample])
