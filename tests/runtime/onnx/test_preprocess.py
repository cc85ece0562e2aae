"""What a graph makes of an image is what the libraries' pipelines make of it, to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope

from mmresneskt.runtime.onnx.agreement import prepared
from mmresneskt.runtime.onnx.preprocess import Preprocess
from mmresneskt.runtime.onnx.trace import outputs, trace

LOAD = dict(type="LoadImageFromFile")
PACK = dict(type="PackDetInputs", meta_keys=("ori_shape", "img_shape", "scale_factor"))
FILL = dict(img=(114, 104, 94))
NORMAL = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
PIPELINES = [
    ([dict(type="Resize", scale=(200, 120), keep_ratio=True)], dict(pad_size_divisor=32)),
    ([dict(type="Resize", scale=(90, 70), keep_ratio=False)], dict(bgr_to_rgb=True, **NORMAL)),
    (
        [dict(type="Resize", scale=(96, 96), keep_ratio=True)]
        + [dict(type="Pad", size=(96, 96), pad_val=FILL)],
        dict(**NORMAL),
    ),
    ([dict(type="Pad", size_divisor=32, pad_val=FILL)], dict(**NORMAL, pad_value=3)),
    ([dict(type="Pad", pad_to_square=True, pad_val=FILL)], dict(pad_size_divisor=32)),
]
PIPELINES_OF_CLASSIFIERS = [
    [dict(type="ResizeEdge", scale=64, edge="short"), dict(type="CenterCrop", crop_size=56)],
    [dict(type="Resize", scale=(80, 48))],
    [dict(type="CenterCrop", crop_size=100)],
]
SIDES = st.integers(5, 300)


def image_of(height, width):
    generator = np.random.default_rng(height * 1000 + width)
    return torch.from_numpy(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def detection(number):
    steps, settings_ = PIPELINES[number]
    with DefaultScope.overwrite_default_scope("mmdet"):
        transforms = [TRANSFORMS.build(step) for step in (LOAD, *steps, PACK)]
        return transforms, MODELS.build(dict(type="DetDataPreprocessor", **settings_))


def classification(number):
    steps = (LOAD, *PIPELINES_OF_CLASSIFIERS[number], dict(type="PackInputs"))
    preprocessor = dict(type="ClsDataPreprocessor", to_rgb=True, **NORMAL)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return [TRANSFORMS.build(step) for step in steps], MODELS.build(preprocessor)


class Bare:
    def __init__(self, preprocessor):
        self.data_preprocessor = preprocessor


@pytest.mark.parametrize("number", range(len(PIPELINES)))
@settings(max_examples=25)
@given(SIDES, SIDES)
def test_detectors_images(number, height, width):
    transforms, preprocessor = detection(number)
    image = image_of(height, width)
    expected = prepared(Bare(preprocessor), transforms, image)
    x, size, factors = Preprocess(transforms, preprocessor)(image)
    assert torch.equal(x, expected["inputs"])
    meta = expected["data_samples"][0].metainfo
    assert tuple(size.tolist()) == meta["img_shape"][:2]
    scale = meta.get("scale_factor", (1.0, 1.0))
    assert factors.flip(0).tolist() == pytest.approx(scale, rel=1e-6)


@pytest.mark.parametrize("number", range(len(PIPELINES_OF_CLASSIFIERS)))
@settings(max_examples=25)
@given(SIDES, SIDES)
def test_classifiers_images(number, height, width):
    transforms, preprocessor = classification(number)
    image = image_of(height, width)
    expected = prepared(Bare(preprocessor), transforms, image)
    assert torch.equal(Preprocess(transforms, preprocessor)(image)[0], expected["inputs"])


@pytest.mark.parametrize("number", range(len(PIPELINES)))
def test_the_graph_is_for_every_size(number):
    pytest.importorskip("onnxruntime")
    module = Preprocess(*detection(number)).eval()
    axes = dict(image={0: "height", 1: "width"}, x={2: "h", 3: "w"}, size={}, factors={})
    data = trace(module, image_of(77, 91), axes, 17, {})
    images = [image_of(*size) for size in ((64, 64), (40, 120), (211, 100))]
    for image, found in zip(images, outputs(data, images)):
        for ours, theirs in zip(found, module(image)):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
