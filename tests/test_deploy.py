"""Folded batch norms: the same outputs, in whatever the backbone stands in."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import mmresneskt
from mmresneskt import ResNeSkt
from mmresneskt.paper.peers import PEERS
from mmresneskt.runtime.building import build

from .helpers import ROOT, randomize


@pytest.fixture(autouse=True)
def seeded():
    """float32 keeps within 1e-5 for most weights, not for all."""
    torch.manual_seed(0)


SMALL = dict(depth=14, base_channels=16, stem_channels=16)


def norms(model):
    """Without those of the spatial attention, whose dense layers may be no convolutions."""
    found = [n for n, m in model.named_modules() if isinstance(m, _BatchNorm)]
    return [name for name in found if "spatial_attention" not in name]


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


def test_the_libraries_own_networks():
    pytest.importorskip("mmdet")
    pytest.importorskip("mmpretrain")
    from mmdet.models import ResNeSt, ResNet
    from mmpretrain.models import SEResNeXt

    assert_same(ResNet(50, base_channels=16, norm_eval=False, frozen_stages=-1))
    assert_same(ResNeSt(depth=50, base_channels=16, norm_eval=False))
    assert_same(SEResNeXt(50, groups=32, width_per_group=4, norm_eval=False))


@pytest.mark.parametrize("backbone", [None, PEERS["cbam_resnet50"]], ids=["ours", "timms"])
def test_a_classifier_gives_the_same_logits(backbone):
    pytest.importorskip("mmpretrain")
    cfg = Config.fromfile(ROOT / "configs" / "resneskt_parcels10.py")
    cfg.model.backbone = backbone or cfg.model.backbone
    assert_same(build(cfg, cfg.model))


@pytest.mark.parametrize(
    "name", ["faster_rcnn_resneskt_parcels", "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"]
)
def test_a_detector_gives_the_same_maps(name):
    pytest.importorskip("mmdet")
    from mmresneskt.runtime.config.load import load_config

    cfg = load_config(name if "::" in name else str(ROOT / "configs" / f"{name}.py"))
    assert_same(build(cfg, cfg.model).requires_grad_(True), "extract_feat")


class Odd(nn.Module):
    """Pairs that must not be folded, where the order of the modules says they could."""

    def __init__(self):
        super().__init__()
        self.first = ConvModule(8, 8, 1, norm_cfg=dict(type="BN"), order=("norm", "conv", "act"))
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.one, self.other = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.used_twice = nn.Conv2d(8, 8, 1)
        self.after = nn.BatchNorm2d(8)
        self.apart = nn.Conv2d(8, 8, 1)
        self.behind_relu = nn.BatchNorm2d(8)
        self.stateless_conv = nn.Conv2d(8, 8, 1)
        self.stateless = nn.BatchNorm2d(8, track_running_stats=False)
        self.plain_conv = nn.Conv2d(8, 8, 1, bias=False)
        self.plain = nn.BatchNorm2d(8, affine=False)  # this one can
        self.given_out = nn.Conv2d(8, 8, 1)
        self.last = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.first(x)
        x = self.one(self.shared(x)) + self.other(self.shared(x))
        y = self.used_twice(x)
        x = self.behind_relu(self.apart(y * self.after(y)).relu())
        x = self.plain(self.plain_conv(self.stateless(self.stateless_conv(x))))
        y = self.given_out(x)
        return y, self.last(y)


def test_only_what_belongs_together_is_folded():
    deployed = assert_same(Odd(), left=7, size=(2, 8, 9, 9))
    assert isinstance(deployed.plain, nn.Identity)


class NeedsMore(nn.Conv2d):
    def forward(self, x, boxes):
        return super().forward(x)


def test_where_it_makes_no_sense_it_says_why():
    model = ResNeSkt(**SMALL)
    with pytest.raises(TypeError, match="takes a model .*not Config"):
        mmresneskt.deploy(Config())
    with pytest.raises(TypeError, match="compiled: deploy the model first"):
        mmresneskt.deploy(torch.compile(copy.deepcopy(model), backend="eager"))
    with pytest.raises(ValueError, match=r"NeedsMore does not run on an image alone.*boxes"):
        mmresneskt.deploy(NeedsMore(3, 8, 1))
