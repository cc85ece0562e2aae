"""tools/visualize_attention.py and spatial_attention: what is shown is what happens."""

import functools

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmpretrain.apis import ImageClassificationInferencer, get_model
from torch import nn

from mmresneskt.cli import call
from mmresneskt.network.attention_maps import spatial_attention
from mmresneskt.network.attention_picture import draw_spatial_attention
from mmresneskt.network.spatial_kernel_attention import SpatialKernelAttention
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import run_tool
from tests.support.small_models import CLASSES, CLASSIFIER, DEPTH, PARCELS, TINY, save_model, scene

OPTIONS = {
    "model.backbone.cardinality": 2,
    "model.backbone.base_width": 16,
    "model.backbone.spatial_kernels": (3, 5, 7),
    "model.backbone.depth": 26,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attention")
    cv2.imwrite(str(folder / "x.png"), scene(1, 150, 100))
    save_model(folder / "w.pth", meta=dict(classes=CLASSES))
    save_model(folder / "grouped.pth", meta=dict(classes=CLASSES), **OPTIONS)
    return folder


@pytest.fixture(scope="module")
def detector(folder):
    """Two groups, three kernel sizes, two blocks a stage."""
    cfg = load_config(PARCELS, {**DEPTH, **OPTIONS})
    return init_detector(cfg, str(folder / "grouped.pth"), palette="random", device="cpu")


def captured(model, call):
    """Of every spatial attention, by name, what MM's own inference gives it to work on."""
    inputs, handles = {}, []

    def keep(name, module, v):  # returns nothing, or that would become the module's input
        inputs.setdefault(name, v[0].clone())

    for name, module in model.backbone.named_modules():
        if isinstance(module, SpatialKernelAttention):
            handles.append(module.register_forward_pre_hook(functools.partial(keep, name)))
    call()
    for handle in handles:
        handle.remove()
    return inputs


def check(model, found, inputs):
    assert len(found) == len(inputs)
    for block, (name, v) in zip(found, inputs.items()):
        assert name == f"layer{block.stage}.{block.block}.spatial_attention"
        module = model.backbone.get_submodule(name)
        with torch.no_grad():
            gate, weights = module.attention(v)
        np.testing.assert_allclose(block.gate, gate[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(block.weights, weights[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(block.weights.sum(1), 1, atol=1e-6)
        assert block.kernels == module.sizes


def test_the_arrays_are_what_the_detector_computes(folder, detector):
    image = str(folder / "x.png")
    inputs = captured(detector, lambda: inference_detector(detector, image))
    found = spatial_attention(detector, image)
    check(detector, found, inputs)
    assert [(b.stage, b.block) for b in found] == [(s, b) for s in range(1, 5) for b in range(2)]
    assert found[0].gate.shape == (2, 40, 40)
    assert found[0].weights.shape == (2, 3)
    assert found[0].gate.std() > 1e-3  # the kernels of the fixture are not zero


def test_nothing_changes(folder, detector):
    image = str(folder / "x.png")
    before = inference_detector(detector, image).pred_instances.scores
    state = {key: value.clone() for key, value in detector.state_dict().items()}
    detector.train()
    detector.backbone.layer2[0].bn1.eval()  # as a user might freeze one
    modes = {name: module.training for name, module in detector.named_modules()}
    spatial_attention(detector, image)
    assert modes == {name: module.training for name, module in detector.named_modules()}
    detector.eval()
    assert all(torch.equal(state[key], value) for key, value in detector.state_dict().items())
    assert not any(module._forward_hooks for module in detector.backbone.modules())
    torch.testing.assert_close(inference_detector(detector, image).pred_instances.scores, before)


def test_hooks_and_modes_are_put_back_after_an_error(folder, detector, monkeypatch):
    def fail(*_):
        raise RuntimeError("in the last stage")

    detector.train()
    with monkeypatch.context() as patch:
        patch.setattr(detector.backbone.layer4[1], "forward", fail)
        with pytest.raises(RuntimeError, match="in the last stage"):
            spatial_attention(detector, folder / "x.png")
    assert detector.backbone.layer4.training
    detector.eval()
    assert not any(module._forward_hooks for module in detector.backbone.modules())


def test_a_fresh_model_changes_nothing_anywhere(folder, tmp_path):
    weights = save_model(tmp_path / "fresh.pth", random=False)
    model = init_detector(load_config(PARCELS, DEPTH), weights, palette="random", device="cpu")
    found = spatial_attention(model, folder / "x.png")
    assert len(found) == 4
    for block in found:
        assert (block.gate == 1).all()
        np.testing.assert_allclose(block.weights.sum(1), 1, atol=1e-6)
    assert np.ptp(draw_spatial_attention(model, folder / "x.png")) > 100


def test_a_classifier_under_its_own_transforms(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), scene(2, 48, 48))
    weights = save_model(tmp_path / "w.pth", CLASSIFIER)
    model = get_model(load_config(CLASSIFIER, DEPTH), pretrained=weights, device="cpu")
    image = str(tmp_path / "x.png")
    inputs = captured(model, lambda: ImageClassificationInferencer(model)(image))
    check(model, spatial_attention(model, image), inputs)


def test_padding_has_no_part_in_the_picture(folder, detector, monkeypatch):
    from matplotlib.axes import Axes

    pipeline = detector.cfg.test_dataloader.dataset.pipeline
    monkeypatch.setitem(pipeline[1], "scale", (150, 100))  # padded to 160x128
    titles = []
    set_title = Axes.set_title
    monkeypatch.setattr(Axes, "set_title", lambda a, t, **k: titles.append(t) or set_title(a, t))
    picture = draw_spatial_attention(detector, folder / "x.png")
    assert picture.dtype == np.uint8
    last = [b for b in spatial_attention(detector, folder / "x.png") if b.block == 1]
    assert last[0].gate.shape == (2, 32, 40)
    seen = last[0].gate.mean(0)[:25, :38]  # 100 / 4, 150 / 4
    assert titles[1] == f"stage 1, block 1: 38x25\n{seen.min():.3f} to {seen.max():.3f}"
    assert len(titles) == 5


def test_a_name_is_text_and_no_formula(folder, detector):
    name = folder / "$\\frac$\n.png"
    name.write_bytes((folder / "x.png").read_bytes())
    assert draw_spatial_attention(detector, name).shape[2] == 3
    name.unlink()


def test_the_tool_draws_every_image(folder):
    cv2.imwrite(str(folder / "y.jpg"), scene(3, 100, 300))
    arguments = ["x.png", "y.jpg", "w.pth", "--config", PARCELS, "--checkpoint", "w.pth"]
    result = run_tool("attention", *arguments, *TINY, cwd=folder)
    assert result.returncode == 2, result.stderr
    assert "2 pictures: attention" in result.stdout
    assert "skipped w.pth: not an image" in result.stderr
    assert "error: 1 of 3 images cannot be read; the others are done" in result.stderr
    for name in ("x.png", "y.jpg"):
        picture = cv2.imread(str(folder / "attention" / name))
        height, width = picture.shape[:2]
        assert 300 < height < 1500
        assert 1200 < width < 2500
        heat = picture[60:-250, 400:]
        assert (heat.max(2).astype(int) - heat.min(2) > 60).mean() > 0.1  # colours on it


def test_a_backbone_without_it_is_a_mistake(folder, tmp_path):
    option = {"model.backbone.spatial_attention": False}
    weights = save_model(tmp_path / "w.pth", **option)
    arguments = [str(folder / "x.png"), "--config", PARCELS, "--checkpoint", weights]
    arguments += ["--out", str(tmp_path / "out"), *TINY, "model.backbone.spatial_attention=False"]
    with pytest.raises(UserError, match="ResNeSkt has no spatial attention: .*must be a ResNeSkt"):
        call("attention", arguments)
    assert not (tmp_path / "out").exists()


def test_models_without_a_config_are_refused():
    with pytest.raises(ValueError, match="Identity has no config"):
        spatial_attention(nn.Identity(), "x.png")
