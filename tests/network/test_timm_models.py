"""ResNeSkt as timm's networks are used: by name, features, classifier, checkpointing, folders."""

import subprocess

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models._hub import save_for_hf
from timm.optim.optim_factory import param_groups_layer_decay

from mmresneskt import ResNeSkt
from mmresneskt.network.swap.backbones import BACKBONES
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import ROOT, randomize
from tests.support.python import python

NAMES = [f"resneskt{depth}{form}" for depth in (14, 26, 50, 101, 200) for form in ("", "_author")]


def test_timm_is_imported_by_others_alone_and_then_knows_them():
    script = (
        "import sys, mmresneskt\n"
        "assert 'timm' not in sys.modules\n"
        "import timm\n"
        "print(*timm.list_models('resneskt*'))"
    )
    done = subprocess.run(
        [python(), "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert sorted(done.stdout.split()) == sorted(NAMES)


@pytest.mark.parametrize("name", ["resneskt14", "resneskt26_author", "resneskt200"])
def test_every_parameter_gets_a_gradient(name):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=7)
        out = model(torch.zeros(2, 3, 64, 64))
        out.mean().backward()
    assert out.shape == (2, 7)
    assert not [n for n, p in model.named_parameters() if p.grad is None]
    assert model.default_cfg["classifier"] == "fc"
    assert model.default_cfg["architecture"] == name


@pytest.mark.parametrize("name", ["resneskt50", "resneskt50_author", "resneskt101"])
def test_a_name_is_the_network_that_the_swap_puts_in(name):
    with torch.device("meta"):
        ours = ResNeSkt(**{k: v for k, v in BACKBONES[name].settings.items() if k != "type"})
        theirs = timm.create_model(name)
    state = {key: value.shape for key, value in ours.state_dict().items()}
    classifier = {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    assert {key: value.shape for key, value in theirs.state_dict().items()} == state | classifier
    assert theirs.layer2[0].avd_first == ours.layer2[0].avd_first


def test_features_are_the_backbones_to_the_bit():
    model = randomize(timm.create_model("resneskt14", features_only=True)).eval()
    backbone = ResNeSkt(14).eval()
    backbone.load_state_dict(model.state_dict())
    image = torch.rand(1, 3, 97, 64)
    with torch.no_grad():
        stem, *maps = model(image)
        for ours, expected in zip(maps, backbone(image), strict=True):
            assert torch.equal(ours, expected)
    assert model.feature_info.channels() == [64, 256, 512, 1024, 2048]
    assert model.feature_info.reduction() == [2, 4, 8, 16, 32]
    assert stem.shape == (1, 64, 49, 32)
    strided = timm.create_model(
        "resneskt14", features_only=True, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)
    )
    assert strided.feature_info.reduction() == [2, 4, 8, 16, 16]


def test_head_and_classifier():
    model = randomize(timm.create_model("resneskt14", num_classes=5, in_chans=1)).eval()
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        features = model.forward_features(image)
        assert features.shape == (2, 2048, 2, 2)
        pooled = model.forward_head(features, pre_logits=True)
        torch.testing.assert_close(pooled, features.mean((2, 3)))
        assert torch.equal(model.get_classifier()(pooled), model(image))
        model.reset_classifier(3)
        assert model(image).shape == (2, 3)
        model.reset_classifier(0)
        assert torch.equal(model(image), pooled)
        model.reset_classifier(0, "")
        assert torch.equal(model(image), features)
    assert model.num_features == model.head_hidden_size == 2048


def test_layer_wise_learning_rates():
    model = timm.create_model("resneskt26")
    scales = {
        name: group["lr_scale"]
        for group in param_groups_layer_decay(model, layer_decay=0.5)
        for name, parameter in model.named_parameters()
        if any(parameter is other for other in group["params"])
    }
    assert scales.keys() == {name for name, _ in model.named_parameters()}
    # stem, eight blocks, classifier
    assert scales["stem.0.weight"] == 0.5**9
    assert scales["layer1.0.conv1.weight"] == 0.5**8
    assert scales["layer4.1.conv3.weight"] == 0.5
    assert scales["fc.weight"] == 1


@pytest.mark.parametrize("features", [False, True])
def test_checkpointing_changes_nothing(features):
    arguments = dict(features_only=True) if features else {}
    plain = randomize(timm.create_model("resneskt14", **arguments))
    cheap = timm.create_model("resneskt14", **arguments)
    cheap.load_state_dict(plain.state_dict())
    cheap.set_grad_checkpointing()
    image = torch.rand(2, 3, 64, 64)
    outs = []
    for model in (plain, cheap):
        out = model(image)
        outs.append(out if features else [out])
        sum(part.square().mean() for part in outs[-1]).backward()
    assert all(torch.equal(one, other) for one, other in zip(*outs, strict=True))
    for one, other in zip(plain.parameters(), cheap.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_classifiers_checkpoint_of_mmpretrain(tmp_path):
    cfg = load_config("mmresneskt::resneskt_parcels10.py")
    source = randomize(build(cfg, cfg.model))
    torch.save(dict(state_dict=source.state_dict()), tmp_path / "a.pth")
    model = timm.create_model(
        "resneskt14",
        pretrained=True,
        pretrained_cfg_overlay=dict(file=str(tmp_path / "a.pth"), num_classes=10),
        num_classes=10,
    )
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.eval()(image), source.eval()(image))


def test_a_backbones_file_and_a_folder_of_the_hub(tmp_path):
    backbone = randomize(ResNeSkt(14, spatial_attention="author"))
    torch.save(backbone.state_dict(), tmp_path / "a.pth")
    model = timm.create_model(
        "resneskt14_author",
        pretrained=True,
        pretrained_cfg_overlay=dict(file=str(tmp_path / "a.pth")),
        num_classes=4,
    )
    assert all(torch.equal(model.state_dict()[k], v) for k, v in backbone.state_dict().items())
    save_for_hf(model, tmp_path / "hub", safe_serialization=True)
    again = timm.create_model(f"local-dir:{tmp_path}/hub", pretrained=True)
    assert type(again) is type(model)
    assert again.get_classifier().out_features == 4
    assert all(torch.equal(again.state_dict()[k], v) for k, v in model.state_dict().items())


def test_a_folder_of_hugging_face(tmp_path):
    settings = dict(num_classes=3, spatial_attention="author", strides=(1, 2, 2, 1))
    model = randomize(timm.create_model("resneskt14", **settings))
    model.save_pretrained(tmp_path)
    assert {"config.json", "model.safetensors", "README.md"} == {p.name for p in tmp_path.iterdir()}
    assert "license: apache-2.0" in (tmp_path / "README.md").read_text()
    again = type(model).from_pretrained(tmp_path)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again.eval()(image), model.eval()(image))

    backbone = ResNeSkt(14, spatial_attention="author", strides=(1, 2, 2, 1))
    backbone.init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "model.safetensors"))
    backbone.init_weights()
    assert all(torch.equal(model.state_dict()[k], v) for k, v in backbone.state_dict().items())

    state = load_file(tmp_path / "model.safetensors")
    save_file({k: v for k, v in state.items() if k != "fc.bias"}, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"fc\.bias"):
        type(model).from_pretrained(tmp_path)
