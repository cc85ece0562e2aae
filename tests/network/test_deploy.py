"""Folded batch norms: the same outputs, in whatever the backbone stands in."""

import copy

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import mmresneskt
from mmresneskt import ResNeSkt
from mmresneskt.runtime.building import build
from tests.support.helpers import ROOT, randomize


@pytest.fixture(autouse=True)
def seeded():
    """float32 keeps within 1e-5 for most weights, not for all."""
    torch.manual_seed(0)


SMALL = dict(depth=14, base_channels=16, stem_channels=16)


def norms(model):
    """Of the backbone, or of the whole of a model that is one."""
    model = getattr(model, "backbone", model)
    return [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]


def flat(outs):
    return [outs] if torch.is_tensor(outs) else list(outs)


def assert_same(model, run="__call__", left=0, tolerance=1e-5, size=(2, 3, 61, 80)):
    """Deployed, a randomized model gives the same to ``tolerance`` of its outputs' scale."""
    randomize(model).train()
    before = copy.deepcopy(model)
    deployed = mmresneskt.deploy(model)
    for ours, theirs in zip(model.modules(), before.modules()):
        assert (type(ours), ours.training) == (type(theirs), theirs.training)
    state = model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in before.state_dict().items())
    trained = [p.requires_grad for p in before.parameters()]
    assert [p.requires_grad for p in model.parameters()] == trained
    assert not any(m.training for m in deployed.modules())
    assert not any(p.requires_grad for p in deployed.parameters())
    assert len(norms(deployed)) == left
    model.eval()
    x = torch.randn(size, generator=torch.Generator().manual_seed(1))
    x = x.to(next(model.parameters()).dtype)
    with torch.no_grad():
        pairs = list(zip(flat(getattr(model, run)(x)), flat(getattr(deployed, run)(x))))
    for expected, found in pairs:
        assert expected.std() > 0
        assert (expected - found).abs().max() <= tolerance * expected.abs().max()
    return deployed


@pytest.mark.parametrize(
    "arguments",
    [
        dict(),
        dict(cardinality=4, spatial_groups=2, norm_eval=True, frozen_stages=0),
        dict(spatial_attention=False, radix=1, deep_stem=False, avg_down=False),
        dict(norm_cfg=dict(type="SyncBN"), spatial_share_kernels=False, cardinality=2),
    ],
)
def test_every_norm_of_a_backbone_is_folded(arguments):
    assert_same(ResNeSkt(**{**SMALL, **arguments}))


def test_fifty_layers_in_float32_and_to_the_last_digits_in_float64():
    model = ResNeSkt(50)
    assert_same(model, size=(1, 3, 64, 64))
    assert_same(model.double(), size=(1, 3, 64, 64), tolerance=1e-12)


def test_deploying_again_changes_nothing_and_what_cannot_be_folded_stays():
    once = assert_same(ResNeSkt(**SMALL))
    twice = mmresneskt.deploy(once)
    assert twice is not once
    again = twice.state_dict()
    assert once.state_dict().keys() == again.keys()
    assert all(torch.equal(value, again[key]) for key, value in once.state_dict().items())
    assert_same(ResNeSkt(**SMALL, norm_cfg=dict(type="GN", num_groups=8)))
    # of each block and its shortcut only the dense layers of the attentions are plain
    standardised = ResNeSkt(**SMALL, conv_cfg=dict(type="ConvWS"))
    assert_same(standardised.double(), left=3 + 4 * 4, tolerance=1e-12)  # values of 1e5


def test_norms_behind_deformable_convolutions_stay():
    dcn = dict(type="DCNv2", deform_groups=1)
    assert_same(ResNeSkt(**SMALL, dcn=dcn, stage_with_dcn=(False, True, True, True)), left=3)


def test_a_classifier_gives_the_same_logits():
    pytest.importorskip("mmpretrain")
    cfg = Config.fromfile(ROOT / "configs" / "resneskt_parcels10.py")
    assert_same(build(cfg, cfg.model))


def test_a_detector_gives_the_same_maps_and_its_neck_keeps_its_norms():
    pytest.importorskip("mmdet")
    from mmresneskt.runtime.config.load import load_config

    cfg = load_config(str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"))
    cfg.model.neck.norm_cfg = dict(type="BN")
    deployed = assert_same(build(cfg, cfg.model).requires_grad_(True), "extract_feat")
    assert any(isinstance(module, _BatchNorm) for module in deployed.neck.modules())


class Odd(nn.Module):
    """Has parts of its backbone under further names, and a convolution and a norm of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.stem = ResNeSkt(**SMALL).stem
        self.backbone = ResNeSkt(**SMALL)
        self.backbone.stem = self.stem
        self.block = self.backbone.layer1[0]
        self.conv, self.again = self.block.conv1, self.block.conv1
        self.after, self.after_again = self.block.bn1, self.block.bn1

    def forward(self, x):
        x = self.norm(self.first(x))
        y = self.after(self.conv(torch.cat([x] * 6, 1)[:, :16]))
        return y, self.after_again(self.again(y)), *self.backbone(x)


def test_parts_with_several_names_are_folded_under_each():
    deployed = assert_same(Odd())
    assert isinstance(deployed.norm, _BatchNorm)
    assert deployed.conv is deployed.again is deployed.backbone.layer1[0].conv1
    assert isinstance(deployed.after, nn.Identity)
    assert deployed.after is deployed.after_again


def test_a_norm_that_two_blocks_share_stays():
    model = ResNeSkt(26, base_channels=16, stem_channels=16)
    model.layer1[1].bn1 = model.layer1[0].bn1
    assert_same(model, left=1)


def test_another_backbone_comes_back_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    assert_same(model, left=1)


def test_where_it_makes_no_sense_it_says_why():
    model = ResNeSkt(**SMALL)
    with pytest.raises(TypeError, match="takes a model .*not Config"):
        mmresneskt.deploy(Config())
    with pytest.raises(TypeError, match="compiled: deploy the model first"):
        mmresneskt.deploy(torch.compile(copy.deepcopy(model), backend="eager"))
