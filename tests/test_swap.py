"""MMDetection's own configs with the backbone swapped: one training step, one prediction."""

import copy

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import register_all_modules
from mmengine.hub import get_config
from mmengine.structures import InstanceData

CONFIGS = [
    "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "retinanet/retinanet_r50_fpn_1x_coco.py",
    "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py",
    "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
]
SIZE = 96


def sample(masks):
    """One image with two boxes."""
    boxes = torch.tensor([[8.0, 8, 50, 60], [30, 20, 90, 80]])
    truth = InstanceData(bboxes=boxes, labels=torch.tensor([1, 7]))
    if masks:
        shapes = np.zeros((2, SIZE, SIZE), np.uint8)
        shapes[0, 8:60, 8:50] = shapes[1, 20:80, 30:90] = 1
        truth.masks = BitmapMasks(shapes, SIZE, SIZE)
    shape = (SIZE, SIZE)
    result = DetDataSample(
        metainfo=dict(
            img_id=0, img_shape=shape, ori_shape=shape, pad_shape=shape, scale_factor=(1.0, 1.0)
        )
    )
    result.gt_instances = truth
    result.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    return result


@pytest.mark.parametrize("name", CONFIGS)
def test_trains_a_step_and_predicts(name):
    register_all_modules()
    cfg = get_config(f"mmdet::{name}").model
    cfg.backbone = dict(type="ResNeSkt", depth=50)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    image = torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8)
    batch = dict(
        inputs=[image, image.flip(2)],
        data_samples=[sample(model.with_mask), sample(model.with_mask)],
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    norm = model.backbone.layer1[0].bn3  # starts at zero, so the block behind it rests
    assert not norm.weight.any()
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    losses = model(**data, mode="loss")
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    optimizer.step()
    assert norm.weight.any()
    kernels = model.backbone.layer4[0].spatial_attention.kernels
    assert all(kernel.grad is not None for kernel in kernels)
    model.eval()
    with torch.no_grad():
        results = model.test_step(copy.deepcopy(batch))
    assert len(results) == 2
    for result in results:
        assert result.pred_instances.bboxes.shape[1] == 4
