"""ResNeSt weights in their three layouts, against the libraries' own networks."""

import pytest
import torch

from mmresneskt import ResNeSkt, load_resnest
from tests.support.helpers import randomize

X = torch.rand(1, 3, 97, 65, generator=torch.Generator().manual_seed(0))


def as_ours(**arguments):
    """The shape that timm's resnest50d and the MM libraries' ResNeSt have."""
    return ResNeSkt(50, avd_first=False, **arguments).eval()


def timm_resnest():
    timm = pytest.importorskip("timm")
    return randomize(timm.create_model("resnest50d")).eval()


def mm_resnest(library):
    backbones = pytest.importorskip(f"{library}.models.backbones")
    arguments = dict(depth=50, stem_channels=64, out_indices=(0, 1, 2, 3))
    model = randomize(backbones.ResNeSt(**arguments))
    model.eval()  # returns None there
    return model


def assert_same(expected, found):
    assert len(expected) == len(found) == 4
    for a, b in zip(expected, found):
        assert (a - b).abs().max() <= 1e-5 * a.abs().max()


@torch.no_grad()
def test_timm_every_stage():
    source, model = timm_resnest(), as_ours()
    report = load_resnest(model, source.state_dict())
    x = source.maxpool(source.act1(source.bn1(source.conv1(X))))
    stages = []
    for stage in (source.layer1, source.layer2, source.layer3, source.layer4):
        x = stage(x)
        stages.append(x)
    assert_same(stages, model(X))
    assert report.layout == "official or timm"
    assert all(".spatial_attention." in name for name in report.untouched)
    assert len(report.matched) + len(report.untouched) == len(model.state_dict())
    assert f"{len(report.matched)} entries loaded" in str(report)


@torch.no_grad()
def test_timms_fast_variant_has_the_default_shape():
    timm = pytest.importorskip("timm")
    source = randomize(timm.create_model("resnest50d_1s4x24d")).eval()  # 1s4x24d is "fast"
    model = ResNeSkt(50, radix=1, cardinality=4, base_width=24, out_indices=(3,)).eval()
    load_resnest(model, source.state_dict())
    expected = source.forward_features(X)
    assert (expected - model(X)[0]).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
@pytest.mark.parametrize(
    ("library", "layout"), [("mmdet", "MMDetection"), ("mmpretrain", "MMPretrain")]
)
@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone.", "module."])
def test_mm_libraries_every_stage(library, layout, prefix, tmp_path):
    source, model = mm_resnest(library), as_ours()
    state = {prefix + key: value for key, value in source.state_dict().items()}
    if "backbone" in prefix:  # a whole model has other parts, which are passed over
        state["neck.fc.weight"] = state["bbox_head.weight"] = torch.zeros(1)
    torch.save(dict(state_dict=state), tmp_path / "w.pth")
    report = load_resnest(model, tmp_path / "w.pth")
    assert report.layout == layout
    assert_same(source(X), model(X))


def test_as_init_cfg_through_mmengine(tmp_path):
    source = timm_resnest()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    model = as_ours(init_cfg=dict(type="ResNeStPretrained", checkpoint=str(tmp_path / "w.pth")))
    model.init_weights()
    assert torch.equal(model.stem[0].weight, source.conv1[0].weight)
    assert torch.equal(model.layer4[2].bn3.weight, source.layer4[2].bn3.weight)  # not zeroed
    assert not model.layer1[0].spatial_attention.kernels[0].any()


def missing(state):
    del state["layer2.0.conv1.weight"]


def unknown(state):
    state["layer5.0.conv1.weight"] = torch.zeros(1)


def reshaped(state):
    state["layer3.0.bn1.weight"] = torch.zeros(7)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (missing, "layer2.0.conv1.weight: missing"),
        (unknown, "layer5.0.conv1.weight: not in the backbone"),
        (reshaped, r"layer3.0.bn1.weight: shape \(7,\), not \(256,\)"),
    ],
)
def test_any_mismatch_is_an_error_unless_strict_is_off(damage, text):
    state = dict(as_ours(spatial_attention=False).state_dict())
    damage(state)
    model = as_ours()
    before = model.stem[0].weight.clone()
    with pytest.raises(ValueError, match=text):
        load_resnest(model, state)
    assert torch.equal(model.stem[0].weight, before)  # nothing is half loaded
    load_resnest(model, state, strict=False)
    assert torch.equal(model.stem[0].weight, state["stem.0.weight"])


def test_another_depth_lists_the_first_few_and_counts_the_rest():
    state = ResNeSkt(101, spatial_attention=False).state_dict()
    with pytest.raises(ValueError, match=r"^\d+ entries .*layer3.10.bn1.bias.*; \.\.\..*depth"):
        load_resnest(as_ours(), state)


def test_what_resnest_lacks_is_left_alone_but_loaded_where_it_is_there():
    source = randomize(ResNeSkt(14))
    dcn = dict(type="DCNv2", deform_groups=1)
    model = ResNeSkt(14, dcn=dcn, stage_with_dcn=(False, True, True, True))
    report = load_resnest(model, source.state_dict())
    assert {name.split(".conv_offset.")[-1] for name in report.untouched} == {"weight", "bias"}
    kernels = "layer2.0.spatial_attention.kernels.0"
    assert torch.equal(model.state_dict()[kernels], source.state_dict()[kernels])
    other = {**source.state_dict(), kernels: torch.zeros(1, 3, 7, 7)}
    with pytest.raises(ValueError, match=r"spatial_attention\.kernels\.0: shape \(1, 3, 7, 7\)"):
        load_resnest(model, other)


def test_stages_that_the_backbone_is_built_without_are_passed_over():
    source = randomize(ResNeSkt(50, spatial_attention=False))
    model = ResNeSkt(50, num_stages=3, out_indices=(2,))
    report = load_resnest(model, source.state_dict())
    assert report.matched
    assert all(".spatial_attention." in name for name in report.untouched)
    for name in report.matched:
        assert torch.equal(model.state_dict()[name], source.state_dict()[name])


@pytest.mark.parametrize("state", [{}, {"conv1.weight": torch.zeros(64, 3, 7, 7)}])
def test_other_weights_are_refused(state):
    with pytest.raises(ValueError, match="not the weights of a ResNeSt"):
        load_resnest(as_ours(), state)
