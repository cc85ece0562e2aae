"""A detector's ONNX file finds what MMDetection's own inference finds, at every size."""

import contextlib

import mmdet.models.dense_heads.base_dense_head as head
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmengine.registry import init_default_scope
from torch import nn

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.onnx.trace import outputs, trace
from mmresneskt.runtime.onnx.traceable import traceable
from mmresneskt.runtime.onnx.whole import Detector
from mmresneskt.runtime.pipeline import test_pipeline as pipeline_of
from tests.support.small_detectors import small_detector
from tests.support.small_models import scene

pytest.importorskip("onnxruntime")
SIZES = ((160, 120), (90, 300), (301, 260))
TRACED = (150, 140)
RESIZE = "test_dataloader.dataset.pipeline.1"
AXES = {
    "image": {0: "height", 1: "width"},
    **{name: {0: "boxes"} for name in ("boxes", "scores", "labels")},
}


def rgb(image):
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1]))


def exported(model, cfg):
    whole = Detector(model, pipeline_of(cfg).transforms).eval()
    with traceable(model):
        return trace(whole, rgb(scene(9, *TRACED)), AXES, 17, {})


@pytest.fixture(autouse=True, scope="module")
def _scope():
    init_default_scope("mmdet")


@pytest.fixture(scope="module", params=["faster", "retinanet"])
def detector(request):
    model, cfg = small_detector(request.param)
    return model, exported(model, cfg)


def test_the_boxes_are_those_of_inference_detector(detector):
    """Before rounding there is one order, but boxes of one score may change places in it."""
    model, data = detector
    images = [scene(seed, *size) for seed, size in enumerate(SIZES)]
    for image, (boxes, scores, labels) in zip(images, outputs(data, [*map(rgb, images)])):
        expected = inference_detector(model, image).pred_instances
        assert len(expected) == len(scores) == 100
        assert labels.dtype == torch.int64
        torch.testing.assert_close(scores, expected.scores, atol=1e-4, rtol=0)
        apart = torch.cdist(boxes, expected.bboxes, p=torch.inf)
        apart[labels[:, None] != expected.labels] = torch.inf
        assert apart.amin(0).max() < 0.05
        assert apart.amin(1).max() < 0.05


def test_where_nothing_is_found_there_is_no_box():
    """The last limit is far above every score of a model that was traced on some."""
    model, cfg = small_detector(
        "retinanet", **{"model.test_cfg.score_thr": 0.99999, "model.bbox_head.num_classes": 3}
    )
    (found,) = outputs(exported(model, cfg), [rgb(scene(0, *SIZES[1]))])
    assert [tuple(x.shape) for x in found] == [(0, 4), (0,), (0,)]
    assert len(inference_detector(model, scene(0, *SIZES[1])).pred_instances) == 0


def test_a_list_of_sizes_stays_open():
    class Sizes(nn.Module):
        def forward(self, image):
            height, width = torch._shape_as_tensor(image)[:2].unbind()
            return image.float().new_tensor([[width, height, 2.5], (1, 2, 3)])

    with traceable(nn.Identity()):
        axes = {"image": {0: "height", 1: "width"}, "sizes": {}}
        data = trace(Sizes(), rgb(scene(0, 40, 30)), axes, 17, {})
    found = outputs(data, [rgb(scene(0, *size)) for size in SIZES])
    assert [x.tolist() for (x,) in found] == [[[*size, 2.5], [1, 2, 3]] for size in SIZES]


def test_the_libraries_are_as_before():
    model, _ = small_detector("retinanet")

    def seen():
        return [head.batched_nms, torch.Tensor.split, torch.squeeze, model.bbox_head.test_cfg]

    before = seen()
    with contextlib.suppress(KeyError), traceable(model):
        assert not any(a is b for a, b in zip(seen(), before))
        raise KeyError
    assert all(a is b for a, b in zip(seen(), before))


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("faster", {"model.test_cfg.rcnn.nms.type": "soft_nms"}, "by soft_nms, which ONNX has not"),
        (
            "fcos",
            {"model.bbox_head.dcn_on_last_conv": True},
            "has ModulatedDeformConv2dPack, which",
        ),
        ("retinanet", {f"{RESIZE}.interpolation": "area"}, "by cv2 and area"),
        ("retinanet", {f"{RESIZE}.type": "RandomShift"}, "RandomShift of the test pipeline has no"),
    ],
)
def test_what_cannot_be_exported_is_refused_first(name, more, text):
    model, cfg = small_detector(name, **more)
    if f"{RESIZE}.type" in more:  # without Resize's arguments
        cfg.test_dataloader.dataset.pipeline[1] = dict(type=more[f"{RESIZE}.type"])
    with pytest.raises(UserError, match=text):
        Detector(model, pipeline_of(cfg).transforms)
