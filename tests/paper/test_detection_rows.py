"""The rows of Table 3: one recipe, and in it each backbone with what belongs to it."""

import json

import pytest
import timm
import torch
from mmengine.config import Config, ConfigDict

from mmresneskt import swap_backbone
from mmresneskt.data.classes import set_trained_classes
from mmresneskt.paper.detection_table import RECIPES, row_config, rows_of
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from tests.support.difference import difference
from tests.support.helpers import ROOT, randomize


def ours(recipe):
    return load_config(str(ROOT / "configs" / RECIPES[recipe]))


def parameters(cfg):
    return sum(parameter.numel() for parameter in build(cfg, cfg.model).parameters())


# type, shape and initial weights of each row of Table 3
RESNEST101 = dict(
    type="ResNeSkt",
    depth=101,
    stem_channels=128,
    avd_first=False,
    init_cfg=dict(type="ResNeStPretrained", checkpoint="open-mmlab://resnest101"),
)
ROWS = {
    "resnet50": dict(
        type="ResNet",
        depth=50,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
    "resnext50": dict(
        type="ResNeXt",
        depth=50,
        groups=32,
        base_width=4,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnext50_32x4d"),
    ),
    "senet50": dict(
        type="mmpretrain.SEResNeXt",
        depth=50,
        groups=32,
        width_per_group=4,
        zero_init_residual=False,
        init_cfg=dict(
            type="TimmSEPretrained",
            checkpoint="https://github.com/huggingface/pytorch-image-models/releases/download/"
            "v0.1-weights/seresnext50_32x4d_racm-a304a460.pth",
        ),
    ),
    "resnest50": dict(
        type="ResNeSkt",
        depth=50,
        spatial_attention=False,
        init_cfg=dict(
            type="ResNeStPretrained",
            checkpoint="https://github.com/zhanghang1989/ResNeSt/releases/download/weights_step1/"
            "resnest50_fast_2s1x64d-44938639.pth",
        ),
    ),
    "resnest101": dict(**RESNEST101, spatial_attention=False),
    "resneskt101": RESNEST101,
}
# of the whole detector for COCO's 80 classes
PARAMETERS = dict(
    resnet50=43064800,
    resnext50=42536672,
    senet50=45067664,
    resnest50=44991008,
    resnest101=65782784,
    resneskt101=65791430,
)
# of the recipe, whatever the backbone
BY_THE_RECIPE = dict(
    out_indices=(0, 1, 2, 3),
    frozen_stages=0,
    norm_cfg=dict(type="SyncBN", requires_grad=True),
    norm_eval=False,
)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_table_3_on_coco_differs_in_what_belongs_to_its_backbone(name):
    theirs = row_config(name, "coco")
    assert difference(Config(ROWS[name] | BY_THE_RECIPE), Config(theirs.model.backbone)) == ""
    keys = {line[2:].split(" =")[0] for line in difference(ours("coco"), theirs).splitlines()}
    belong = ("model.backbone.", "model.data_preprocessor.", "custom_imports.")
    assert all(key.startswith(belong) for key in keys)
    means = dict(resnest=[123.68, 116.779, 103.939], resneskt=[123.68, 116.779, 103.939])
    others = [123.675, 116.28, 103.53]
    assert theirs.model.data_preprocessor.mean == means.get(name.rstrip("015"), others)
    assert parameters(theirs) == PARAMETERS[name]


def test_the_coco_config_is_mmdetections_with_its_own_backbone_swapped_in(monkeypatch, tmp_path):
    assert difference(ours("coco"), swap_backbone(ours("coco"), "resneskt50")) == ""
    monkeypatch.setenv("RESNEST50_FAST", str(tmp_path / "local.pth"))
    for name in ("resneskt50", "resnest50"):
        swapped = swap_backbone(ours("coco"), name)
        assert swapped.model.backbone.init_cfg.checkpoint == str(tmp_path / "local.pth")


@pytest.mark.parametrize("data", ["voc", "parcels"])
@pytest.mark.parametrize("name", ["resnet50", "resnext50", "senet50", "resnest50"])
def test_the_rows_from_scratch_differ_in_the_backbone_alone(name, data):
    theirs = row_config(name, data)
    keys = {line[2:].split(" =")[0] for line in difference(ours(data), theirs).splitlines()}
    assert keys
    assert all(key.startswith(("model.backbone.", "custom_imports.")) for key in keys)
    plain = {k: v for k, v in ROWS[name].items() if k not in ("init_cfg", "zero_init_residual")}
    plain = ConfigDict(plain, out_indices=(0, 1, 2, 3))
    backbone, same = build(theirs, theirs.model.backbone), build(theirs, plain)
    assert [(k, v.shape) for k, v in backbone.state_dict().items()] == [
        (k, v.shape) for k, v in same.state_dict().items()
    ]
    backbone.train()
    assert all(p.requires_grad for p in backbone.parameters())
    assert all(m.training for m in backbone.modules())


def test_the_rows_are_the_networks_that_were_measured():
    runs = json.loads((ROOT / "results" / "table3_voc.json").read_text())["runs"]
    measured = {run["row"]: run["params"] for run in runs}
    assert set(measured) <= {row.name for row in rows_of("voc")}
    assert len(measured) == 6
    for name, millions in measured.items():
        cfg = row_config(name, "voc")
        set_trained_classes(cfg, ("RBC", "WBC", "Platelets"))
        assert parameters(cfg) == round(1e6 * millions)


def test_weights_of_timm_fill_the_se_resnext_of_mmpretrain(tmp_path):
    theirs = randomize(timm.create_model("seresnext50_32x4d")).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    cfg = row_config("senet50", "coco")
    cfg.model.backbone.init_cfg.checkpoint = str(tmp_path / "w.pth")
    cfg.model.backbone.norm_cfg.type = "BN"
    ours = build(cfg, cfg.model.backbone)
    ours.init_weights()
    ours.eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.forward_features(image)
        found = ours(image)[3]
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        build(cfg, cfg.model.backbone).init_weights()
