"""The shipped configs build, and state what they claim."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.hub import get_config

from mmresneskt import ResNeSkt
from mmresneskt.data.classes import set_classes
from mmresneskt.runtime.config.load import default_work_dir, load_config
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import ROOT
from tests.support.voc_folder import write

CONFIGS = ROOT / "configs"
COCO = CONFIGS / "faster_rcnn_resneskt50.py"
PARCELS = CONFIGS / "faster_rcnn_resneskt_parcels.py"
VOC = CONFIGS / "faster_rcnn_resneskt50_voc.py"


@pytest.fixture
def voc(tmp_path):
    write(tmp_path, "a", [("dog", 0, 1, 1, 11, 21), ("cat", 1, 5, 5, 30, 30)])
    return tmp_path


def heads(cfg):
    return cfg.model.roi_head.bbox_head.num_classes


@pytest.mark.parametrize("path", [COCO, PARCELS], ids=lambda p: p.stem)
def test_builds_with_resneskt_50(path):
    register_all_modules()
    model = MODELS.build(load_config(str(path)).model)
    assert type(model.backbone) is ResNeSkt
    assert model.backbone.depth == (14 if "parcels" in path.stem else 50)


def test_coco_follows_the_resnest_recipe_and_freezes_no_attention():
    cfg = load_config(str(COCO))
    backbone = cfg.model.backbone
    assert backbone.norm_cfg.type == cfg.model.roi_head.bbox_head.norm_cfg.type == "SyncBN"
    assert cfg.train_pipeline[2].scale == [(1333, 640), (1333, 800)]
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.model.data_preprocessor.mean == [123.68, 116.779, 103.939]
    model = MODELS.build(backbone)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all(n in trained for n, _ in model.named_parameters() if "spatial_attention" in n)
    assert not backbone.get("norm_eval")


def test_coco_weights_come_from_a_url_or_a_local_copy(monkeypatch, tmp_path):
    monkeypatch.delenv("RESNEST50_FAST", raising=False)
    given = load_config(str(COCO)).model.backbone.init_cfg.checkpoint
    assert given.startswith("https://github.com/zhanghang1989/ResNeSt/releases/download/")
    assert given.endswith("/resnest50_fast_2s1x64d-44938639.pth")
    monkeypatch.setenv("RESNEST50_FAST", str(tmp_path / "local.pth"))
    cfg = load_config(str(COCO))
    assert cfg.model.backbone.init_cfg.checkpoint == str(tmp_path / "local.pth")
    fast = ResNeSkt(50, spatial_attention=False)
    torch.save(fast.state_dict(), tmp_path / "local.pth")
    model = MODELS.build(cfg.model.backbone)
    model.init_weights()
    assert torch.equal(model.layer3[5].conv3.weight, fast.layer3[5].conv3.weight)


@pytest.mark.parametrize(
    "name",
    [
        "mmdet::_base_/models/faster-rcnn_r50_fpn.py",
        "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
        "mmpretrain::_base_/default_runtime.py",
        "mmdet::no_such.py",
        "nothing::a.py",
        "beside.py",
    ],
)
def test_bases_are_mmengines_and_no_metafile_is_read_for_them(name, monkeypatch):
    def outcome(function):
        try:
            return [str(x) for x in function(name, "/folder/config.py")]
        except Exception as error:
            return type(error), str(error)

    ours = Config._get_cfg_path
    expected = outcome(ours.__wrapped__)
    if "mm" in name and "no_such" not in name:
        monkeypatch.setattr("mmengine.config.utils.load", None)
    assert outcome(ours) == expected


def test_data_root_reaches_datasets_and_evaluators():
    cfg = load_config(str(COCO), {"data_root": "/elsewhere"})
    assert cfg.train_dataloader.dataset.data_root == "/elsewhere"
    assert cfg.val_evaluator.ann_file == "/elsewhere/annotations/instances_val2017.json"


def test_a_folder_whose_name_begins_alike_stays(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(
        "data_root = 'data/VOC'\n"
        "a = dict(type='CocoDataset', data_root='data/VOC/', ann_file='data/VOC/a.json')\n"
        "b = dict(type='CocoDataset', data_root='data/VOC2012', ann_file='data/VOC2012/a.json')\n"
        "train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[a, b]))\n"
    )
    a, b = load_config(str(file), {"data_root": "x"}).train_dataloader.dataset.datasets
    assert (a.data_root, a.ann_file) == ("x", "x/a.json")
    assert (b.data_root, b.ann_file) == ("data/VOC2012", "data/VOC2012/a.json")


def test_the_packages_own_configs_have_a_name_everywhere(tmp_path):
    name = "mmresneskt::faster_rcnn_resneskt50.py"
    direct = load_config(name)
    (tmp_path / "child.py").write_text(f"_base_ = {name!r}\nmodel = dict(backbone=dict(depth=26))")
    child = load_config(str(tmp_path / "child.py"))
    assert child.model.backbone.pop("depth") == 26
    assert direct.model.backbone.pop("depth") == 50
    assert child.model == direct.model
    assert "_scope_" not in child.model.backbone
    assert get_config(name).train_cfg == direct.train_cfg
    with pytest.raises(UserError, match=r"does not exist\. Did you mean mmresneskt::faster_rcnn"):
        load_config("mmresneskt::faster_rcnn_resneskt5.py")
    folder = default_work_dir(direct, name, None, "resnet50")
    assert folder == "work_dirs/faster_rcnn_resneskt50_resnet50"
    # the libraries' own go their own way
    assert get_config("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py").model


def test_classes_are_read_or_given_and_reach_the_heads(voc):
    cfg = load_config(str(VOC), {"data_root": str(voc)})
    set_classes(cfg, None)
    assert cfg.val_dataloader.dataset.metainfo.classes == ["cat", "dog"]
    assert heads(cfg) == 2
    cfg = load_config(str(VOC), {"data_root": str(voc)})
    set_classes(cfg, ["dog"])
    assert cfg.train_dataloader.dataset.metainfo.classes == ["dog"]
    assert heads(cfg) == 1


def test_data_root_and_classes_reach_inside_wrappers_without_a_top_level_root(tmp_path):
    (tmp_path / "wrapped.py").write_text(
        "model = dict(bbox_head=dict(num_classes=80))\n"
        "inner = dict(type='CocoDataset', data_root='old/', metainfo=dict(palette=[(1, 2, 3)]))\n"
        "train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=inner))\n"
    )
    path = str(tmp_path / "wrapped.py")
    cfg = load_config(path, {"data_root": "new"})
    set_classes(cfg, ["a"])
    wrapper = cfg.train_dataloader.dataset
    assert wrapper.dataset.data_root == "new"
    assert wrapper.dataset.metainfo == dict(palette=[(1, 2, 3)], classes=["a"])
    assert "metainfo" not in wrapper
    cfg = load_config(path)
    set_classes(cfg, None)
    assert cfg.model.bbox_head.num_classes == 80  # nothing asked, nothing done


def test_an_option_that_cannot_be_applied_is_one_error():
    with pytest.raises(UserError, match="cfg-options cannot be applied"):
        load_config(str(PARCELS), {"model.roi_head.bbox_head.num_classes.y": 1})


def test_a_config_that_is_not_python_is_one_error(tmp_path):
    (tmp_path / "bad.py").write_text("model = dict(\n")
    with pytest.raises(UserError, match="bad.py cannot be read"):
        load_config(str(tmp_path / "bad.py"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", 5),
        ("classes", dict(a=1)),
        ("test_dataloader.dataset.metainfo", 5),
        ("test_dataloader.dataset.metainfo", dict(classes=5)),
        ("train_dataloader.dataset.metainfo", dict(classes=[["a"]])),
    ],
)
def test_classes_that_are_no_names_are_told_with_their_key(key, value):
    with pytest.raises(UserError, match=rf"^{key}\S*: .* is not allowed: give a "):
        load_config(str(PARCELS), {key: value})
