"""Synthetic images with all the annotations that some model of an MM library learns from."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.structures import PixelData

from mmresneskt.runtime.config.tree import nodes

_SHAPE = (3, 128, 128)
_LARGER = (3, 256, 256)  # for models that choose 900 queries among all positions
_PERSON = (256, 128)
_PROPOSALS = 20


def synthetic_batch(cfg: Config) -> dict:
    """Two images, or one video of two frames, as a data loader gives them.

    Called in the scope of the config.
    """
    makers = {"mmseg": _scenes, "mmpose": _poses, "mmrotate": _rotated}
    return makers.get(cfg.get("default_scope"), _detection)(cfg)


def _detection(cfg: Config) -> dict:
    from mmdet.testing import demo_mm_inputs, demo_mm_proposals, demo_track_inputs

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


def _rotated(cfg: Config) -> dict:
    """Two images with rotated boxes, converted as the config's own pipeline does it."""
    from mmrotate.testing import demo_mm_inputs

    classes = min(n for _, node in nodes(cfg.model) if type(n := node.get("num_classes")) is int)
    batch = demo_mm_inputs(2, _SHAPE, num_classes=max(classes, 2), use_box_type=True, use_qbox=True)
    for sample in batch["data_samples"]:
        sample.gt_instances.labels %= classes
        for step in cfg.train_pipeline:
            if step["type"] == "ConvertMask2BoxType":
                kind = step["box_type"]
            elif step["type"] == "ConvertBoxType":
                kind = step["box_type_mapping"]["gt_bboxes"]
            else:
                continue
            for instances in (sample.gt_instances, sample.ignored_instances):
                instances.bboxes = instances.bboxes.convert_to(kind)
    return batch


def _people(classes: int) -> dict:
    """Two images each of two people, as one item."""
    from mmdet.structures import ReIDDataSample

    images = torch.randint(0, 256, (4, 3, *_PERSON), dtype=torch.uint8)
    sample = ReIDDataSample(metainfo=dict(img_shape=_PERSON, ori_shape=_PERSON))
    sample.set_gt_label([label % classes for label in (0, 0, 1, 1)])
    return dict(inputs=[images], data_samples=[sample])


def _scenes(cfg: Config) -> dict:
    """Two images with a class at every position."""
    from mmseg.structures import SegDataSample

    classes = [n for _, node in nodes(cfg.model) if type(n := node.get("num_classes")) is int]
    batch: dict = dict(inputs=[], data_samples=[])
    for _ in range(2):
        batch["inputs"].append(torch.randint(0, 256, _SHAPE, dtype=torch.uint8))
        metainfo = dict(img_shape=_SHAPE[1:], ori_shape=_SHAPE[1:], pad_shape=_SHAPE[1:])
        sample = SegDataSample(metainfo=metainfo)
        labels = torch.randint(0, min(classes), (1, *_SHAPE[1:]))
        sample.gt_sem_seg = PixelData(data=labels)
        batch["data_samples"].append(sample)
    return batch


def _poses(cfg: Config) -> dict:
    """Two images of one object each, with the targets that the config's own pipeline makes."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    from mmpose.registry import DATASETS

    dataset = cfg.train_dataloader.dataset
    names = [step["type"] for step in dataset.pipeline]
    size = next(step["input_size"] for step in dataset.pipeline if "input_size" in step)
    targets = Compose(dataset.pipeline[names.index("GenerateTarget") :])
    if "metainfo" in dataset:  # several data sets as one
        meta = parse_pose_metainfo(dataset.metainfo)
    else:
        meta = DATASETS.build({**dataset, "pipeline": [], "lazy_init": True}).metainfo
    draw = np.random.default_rng(0)
    box = np.array([[0, 0, *size]], np.float32)
    items = []
    for index in range(2):
        points = draw.uniform(0, size, (1, meta["num_keypoints"], 2)).astype(np.float32)
        item = dict(
            img=draw.integers(0, 256, (*size[::-1], 3), np.uint8),
            img_shape=size[::-1],
            ori_shape=size[::-1],
            id=index,
            img_id=index,
            bbox=box,
            bbox_center=box[:, 2:] / 2,
            bbox_scale=box[:, 2:],
            bbox_score=np.ones(1, np.float32),
            input_size=size,
            input_center=box[0, 2:] / 2,
            input_scale=box[0, 2:],
            keypoints=points,
            keypoints_visible=np.ones(points.shape[:2], np.float32),
            transformed_keypoints=points,
        )
        keys = ("flip_indices", "dataset_keypoint_weights", "upper_body_ids", "lower_body_ids")
        items.append(targets({**item, **{key: meta[key] for key in keys if key in meta}}))
    return pseudo_collate(items)
