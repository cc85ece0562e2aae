"""timm's networks as backbones, against what timm itself builds and computes."""

import huggingface_hub.constants
import pytest
import timm
import torch
from mmengine.runner import CheckpointLoader
from torch import nn

from mmresneskt.network.timm_features import TimmFeatures
from tests.support.helpers import randomize

SWIN = dict(
    model_name="swin_tiny_patch4_window7_224",
    model_args=dict(strict_img_size=False, always_partition=True, depths=(2, 2, 2, 2)),
)


@pytest.mark.parametrize(
    ("settings", "order"), [(dict(model_name="resnet18"), (0, 1, 2, 3)), (SWIN, (0, 3, 1, 2))]
)
def test_the_maps_are_timms_own(settings, order):
    model = randomize(TimmFeatures(**settings, out_indices=(1, 3))).eval()
    theirs = timm.create_model(
        settings["model_name"],
        features_only=True,
        out_indices=(1, 3),
        **settings.get("model_args", {}),
    ).eval()
    theirs.load_state_dict(model.network.state_dict())
    image = torch.rand(1, 3, 128, 96)
    with torch.no_grad():
        for ours, expected in zip(model(image), theirs(image), strict=True):
            assert torch.equal(ours, expected.permute(order))


def test_padding_to_a_divisor_leaves_no_more_positions_than_the_image_has():
    model = TimmFeatures(**SWIN, out_indices=(0, 3), size_divisor=32).eval()
    image = torch.rand(1, 3, 133, 201)
    padded = torch.zeros(1, 3, 160, 224)
    padded[..., :133, :201] = image
    with torch.no_grad():
        first, last = model(image)
        assert first.shape == (1, 96, 34, 51)
        assert last.shape == (1, 768, 5, 7)
        assert torch.equal(last, model(padded)[1])


def test_nothing_behind_the_last_map_is_built():
    names = {
        name.split(".")[0]
        for name, _ in TimmFeatures("resnet18", (1, 2)).network.named_parameters()
    }
    assert names == {"conv1", "bn1", "layer1", "layer2"}


@pytest.mark.parametrize(
    ("stages", "parts"),
    [(-1, set()), (0, {"conv1", "bn1"}), (2, {"conv1", "bn1", "layer1", "layer2"})],
)
def test_frozen_stages_are_those_of_a_resnet(stages, parts):
    model = TimmFeatures("resnet18", (1, 2, 3, 4), frozen_stages=stages)
    frozen = {n.split(".")[0] for n, p in model.network.named_parameters() if not p.requires_grad}
    still = {n.split(".")[0] for n, p in model.network.named_parameters() if p.requires_grad}
    assert frozen == parts
    assert not still & parts
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    model.train()
    model(torch.rand(2, 3, 64, 64))
    moved = {
        n.split(".")[0] for n, v in model.network.state_dict().items() if not v.equal(before[n])
    }
    assert moved == {"bn1", "layer1", "layer2", "layer3", "layer4"} - parts


def test_branches_beside_each_other_are_no_stages_to_freeze():
    model = TimmFeatures("hrnet_w18_small", (1, 2, 3, 4), frozen_stages=1)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model._frozen == ()


def test_norm_eval_keeps_the_statistics():
    model = TimmFeatures("resnet18", (4,), norm_eval=True).train()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 20
    assert not any(norm.training for norm in norms)
    assert model.network["conv1"].training


@pytest.mark.parametrize("name", ["efficientvim_m1", "hrnet_w18_small", "test_vit"])
def test_every_parameter_that_is_trained_gets_a_gradient(name):
    """Else DistributedDataParallel waits for it."""
    sized = dict(dynamic_img_size=True) if name == "test_vit" else {}
    model = TimmFeatures(name, (0, 1), model_args=sized)
    sum(m.mean() for m in model(torch.rand(2, 3, 64, 64))).backward()
    without = {n for n, p in model.network.named_parameters() if p.grad is None}
    assert without == {n for n, p in model.network.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize("name", ["test_convnext", "test_vit"])
def test_checkpointing_changes_no_gradient(name):
    sized = dict(dynamic_img_size=True) if name == "test_vit" else {}
    plain = TimmFeatures(name, (0, 1), model_args=sized)
    cheap = TimmFeatures(name, (0, 1), model_args=sized, with_cp=True)
    cheap.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 64, 64)
    for model in (plain, cheap):
        sum(m.square().sum() for m in model(image)).backward()
    for one, other in zip(plain.parameters(), cheap.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def weights_from(checkpoint, name="resnet18"):
    model = TimmFeatures(
        name, (1, 4), init_cfg=dict(type="TimmPretrained", checkpoint=str(checkpoint))
    )
    model.init_weights()
    return model.network.state_dict()


@pytest.mark.parametrize("wrapped", ["{}", "state_dict", "module."])
def test_weights_of_a_file(wrapped, tmp_path):
    source = randomize(timm.create_model("test_resnet")).state_dict()
    saved = {f"module.{k}": v for k, v in source.items()} if wrapped == "module." else source
    torch.save(dict(state_dict=saved) if wrapped == "state_dict" else saved, tmp_path / "a.pth")
    loaded = weights_from(tmp_path / "a.pth", "test_resnet")
    assert loaded.keys() == {name for name in source if not name.startswith("fc.")}
    assert all(torch.equal(value, source[name]) for name, value in loaded.items())


def test_weights_that_do_not_fit_are_refused(tmp_path):
    torch.save(timm.create_model("test_convnext").state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"no weights for 20 of the 60 entries of timm's resnet18"):
        weights_from(tmp_path / "other.pth")
    torch.save(timm.create_model("resnet26").state_dict(), tmp_path / "like.pth")
    with pytest.raises(ValueError, match="does not fit timm's resnet18"):
        weights_from(tmp_path / "like.pth")


def test_timms_own_weights_come_from_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"timm://test_resnet cannot be downloaded .* timm:NAME:none"):
        weights_from("timm://test_resnet", "test_resnet")
    source = randomize(timm.create_model("test_resnet.r160_in1k")).state_dict()
    place = tmp_path / "models--timm--test_resnet.r160_in1k"
    (place / "snapshots/a").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs/main").write_text("a")
    torch.save(source, place / "snapshots/a/pytorch_model.bin")
    loaded = weights_from("timm://test_resnet", "test_resnet")
    assert all(torch.equal(value, source[name]) for name, value in loaded.items())
    assert CheckpointLoader.load_checkpoint("timm://test_resnet").keys() == source.keys()
