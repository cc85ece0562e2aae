"""Another backbone in a config, and everything that goes with it."""

import re
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config, ConfigDict

from mmresneskt import ResNeSkt, swap_backbone
from mmresneskt.cli.config import load
from mmresneskt.network.swap.backbones import BACKBONES
from mmresneskt.network.swap.refusals import refuse
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from tests.support.difference import difference
from tests.support.helpers import ROOT, randomize, run_tool

DC5 = "mmdet::faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py"
DEFORMABLE = "mmdet::dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py"
GROUP_NORM = "mmdet::gn/mask-rcnn_r50_fpn_gn-all_2x_coco.py"
RETINANET = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
CLASSIFIER = "mmpretrain::resnet/resnet50_8xb32_in1k.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of the public ResNeSt weights' names and shapes, with other values."""
    file = tmp_path_factory.mktemp("weights") / "resnest50.pth"
    torch.save(randomize(ResNeSkt(50, spatial_attention=False)).state_dict(), file)
    return file


def test_what_a_swap_sets_from_public_weights():
    cfg = load_config(RETINANET)
    swapped = swap_backbone(cfg, "resneskt50")
    assert cfg.model.backbone.type == "ResNet"  # the original stays
    assert swapped.model.backbone == dict(
        type="ResNeSkt",
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=0,  # stage 1 has spatial attention to learn
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        init_cfg=dict(type="ResNeStPretrained", checkpoint=BACKBONES["resnest50"].weights),
    )
    assert swapped.model.data_preprocessor.mean == [123.68, 116.779, 103.939]
    assert swapped.custom_imports.imports == ["mmresneskt"]
    assert swapped.model.neck == cfg.model.neck
    kept = swap_backbone(cfg, "resnest50").model.backbone  # its weights fill it
    assert kept.frozen_stages == 1


def test_what_a_swap_sets_from_scratch():
    cfg = load_config("mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_1x_coco.py")
    cfg.load_from = "detector.pth"
    swapped = swap_backbone(cfg, "resneskt50:none")
    backbone = swapped.model.backbone
    assert (backbone.frozen_stages, backbone.norm_eval) == (-1, False)
    assert backbone.norm_cfg.requires_grad
    assert "init_cfg" not in backbone
    assert "style" not in backbone
    assert swapped.model.data_preprocessor.bgr_to_rgb
    assert swapped.load_from is None


def test_stages_dilation_deformable_convolutions_and_norms_stay():
    dc5 = swap_backbone(load_config(DC5), "resnet50").model.backbone
    assert (dc5.strides, dc5.dilations, dc5.out_indices) == ((1, 2, 2, 1), (1, 1, 1, 2), (3,))
    cfg = load_config(DEFORMABLE)
    assert swap_backbone(cfg, "resneskt50").model.backbone.dcn == cfg.model.backbone.dcn
    assert "dcn" not in swap_backbone(cfg, "senet50").model.backbone  # it has none
    gn = load_config(GROUP_NORM)
    assert swap_backbone(gn, "resneskt50").model.backbone.norm_cfg.type == "BN"
    assert swap_backbone(gn, "resneskt50:none").model.backbone.norm_cfg.type == "GN"


@pytest.mark.parametrize(
    ("config", "backbone", "where", "channels"),
    [
        ("mmdet::retinanet/retinanet_r18_fpn_1x_coco.py", "resneskt50", "neck", 4),
        ("mmdet::hrnet/faster-rcnn_hrnetv2p-w18-1x_coco.py", "resnet50", "neck", 4),
        ("mmdet::yolo/yolov3_d53_8xb8-320-273e_coco.py", "resneskt50", "neck", 3),
        ("mmpretrain::resnet/resnet18_8xb32_in1k.py", "resneskt50", "head", 1),
    ],
)
def test_channels_follow_the_backbone(config, backbone, where, channels):
    cfg = load_config(config)
    swapped = swap_backbone(cfg, f"{backbone}:none")
    had, has = cfg.model[where].in_channels, swapped.model[where].in_channels
    assert had != has
    has = has if isinstance(has, list) else [has]
    assert sorted(has) == [256, 512, 1024, 2048][-channels:]
    backbone = build(swapped, swapped.model.backbone)
    backbone.eval()
    maps = backbone(torch.zeros(1, 3, 64, 64))
    assert [m.shape[1] for m in maps] == sorted(has)
    assert [64 // m.shape[2] for m in maps] == [4, 8, 16, 32][-channels:]


def test_a_classifier_of_mmpretrain_is_swapped_and_runs(weights):
    swapped = swap_backbone(load_config(CLASSIFIER), f"resneskt50:{weights}")
    assert swapped.data_preprocessor.to_rgb
    model = build(swapped, swapped.model)
    model.init_weights()
    loaded = torch.load(weights, weights_only=True)
    assert torch.equal(model.backbone.state_dict()["stem.0.weight"], loaded["stem.0.weight"])
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


@pytest.mark.parametrize(
    ("config", "backbone", "message"),
    [
        (
            RETINANET,
            "resneskt5",
            r"no backbone 'resneskt5'. Did you mean resneskt50\? Known: resnet50",
        ),
        ("mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py", "resneskt50", "C4 model"),
        ("mmdet::tridentnet/tridentnet_r50-caffe_1x_coco.py", "resneskt50", "TridentResNet"),
        ("mmdet::detectors/cascade-rcnn_r50-rfp_1x_coco.py", "resneskt50", "RFP, feeds maps back"),
        ("mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py", "resneskt50", "into patches"),
        (
            "mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py",
            "resneskt50",
            "VisionTransformer is a transformer",
        ),
        (
            "mmdet::cornernet/cornernet_hourglass104_10xb5-crop511-210e-mstest_coco.py",
            "resnet50",
            "several maps of one stride",
        ),
    ],
)
def test_a_swap_without_sense_says_why(config, backbone, message):
    with pytest.raises(UserError, match=message):
        load(Namespace(config=config, backbone=backbone, cfg_options=None))


def test_a_network_that_is_the_method_stays():
    """MMRotate's ReDet, which need not be installed."""
    with pytest.raises(ValueError, match="ReResNet, is the method: .* eight orientations"):
        refuse(ConfigDict(backbone=dict(type="mmrotate.ReResNet", depth=50)))


def test_layer_wise_decay_for_convnext_does_not_stay_behind():
    pytest.importorskip("mmpretrain")
    before = load_config("mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py")
    rules = swap_backbone(before, "resneskt50:none").optim_wrapper
    assert "constructor" not in rules
    assert rules.paramwise_cfg == dict(norm_decay_mult=0.0, bias_decay_mult=0.0)
    assert rules.optimizer == before.optim_wrapper.optimizer
    # MMPretrain's works with every backbone that has get_layer_depth
    before = load_config(CLASSIFIER)
    before.optim_wrapper.constructor = "LearningRateDecayOptimWrapperConstructor"
    before.optim_wrapper.paramwise_cfg = dict(layer_decay_rate=0.7)
    assert swap_backbone(before, "resneskt50:none").optim_wrapper == before.optim_wrapper


def test_rules_for_parts_that_the_new_backbone_has_not_go():
    before = load_config(RETINANET)
    keys = ("backbone", "backbone.conv1", "backbone.layer1", "bbox_head.retina_cls", "conv1")
    before.optim_wrapper.paramwise_cfg = dict(custom_keys={key: dict(lr_mult=0.1) for key in keys})
    swapped = swap_backbone(before, "resneskt50:none")
    kept = set(swapped.optim_wrapper.paramwise_cfg.custom_keys)
    assert kept == {*keys} - {"backbone.conv1"}  # it has a stem
    assert "- optim_wrapper.paramwise_cfg.custom_keys.backbone.conv1.lr_mult = 0.1" in difference(
        before, swapped
    )


def test_a_config_without_a_backbone_is_named():
    with pytest.raises(ValueError, match=r"neither model.backbone nor model.detector.backbone"):
        swap_backbone(Config(dict(model=dict(type="X"))), "resnet50")


LAZY = """
from mmdet.models import FPN, DetDataPreprocessor, ResNet, RetinaHead, RetinaNet

model = dict(
    type=RetinaNet,
    data_preprocessor=dict(type=DetDataPreprocessor, mean=[0.0] * 3, std=[1.0] * 3),
    backbone=dict(type=ResNet, depth=18, norm_cfg=dict(type="BN")),
    neck=dict(type=FPN, in_channels=[64, 128, 256, 512], out_channels=256, num_outs=5),
    bbox_head=dict(type=RetinaHead, num_classes=80, in_channels=256),
)
"""


@pytest.mark.parametrize("name", ["resneskt50:none", "senet50:none", "resnet50:none"])
def test_a_config_of_the_new_style_is_swapped(name, tmp_path):
    """Its types are classes, and it has no scope in which to look up a name."""
    (tmp_path / "base.py").write_text(LAZY)
    (tmp_path / "new.py").write_text(
        "from mmengine.config import read_base\n\nwith read_base():\n    from .base import *\n"
    )
    lazy = load_config(str(tmp_path / "new.py"))
    assert isinstance(lazy.model.backbone.type, type)
    swapped = swap_backbone(lazy, name)
    assert swapped.model.neck.in_channels == [256, 512, 1024, 2048]
    assert all(
        line[2:].startswith(("model.backbone", "model.neck.in_ch", "model.data_", "custom_", "def"))
        for line in difference(lazy, swapped).splitlines()
    )
    model = build(swapped, swapped.model)
    plain = "ResNet" if name == "resnet50:none" else swapped.model.backbone.type.split(".")[-1]
    assert type(model.backbone).__name__ == plain
    assert [m.shape[1] for m in model.eval().extract_feat(torch.zeros(1, 3, 64, 64))] == [256] * 5


def test_the_command_line_swaps_prints_and_names_the_run(tmp_path, weights):
    config = tmp_path / "with_resnet50.py"
    config.write_text(
        f"_base_ = {str(ROOT / 'configs/faster_rcnn_resneskt_parcels.py')!r}\n"
        "model = dict(backbone=dict(_delete_=True, type='ResNet', depth=50, norm_eval=False))\n"
    )
    parts = ("train", "val", "test")
    options = [f"{part}_dataloader.dataset.num_images=4" for part in parts]
    done = run_tool(
        "train",
        config,
        "--backbone",
        f"resneskt50:{weights}",
        "--cfg-options",
        *options,
        "train_cfg.max_epochs=1",
        "train_cfg.val_interval=1",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\+ +type='ResNeSkt'", done.stdout, re.M)
    folder = tmp_path / "work_dirs/with_resnet50_resneskt50"
    dumped = Config.fromfile(folder / f"{config.stem}.py")
    assert dumped.model.backbone.type == "ResNeSkt"
    done = run_tool(
        "test",
        config,
        folder / "epoch_1.pth",
        "--backbone",
        "resneskt50",
        "--cfg-options",
        "test_dataloader.dataset.num_images=4",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "bbox_mAP" in done.stdout + done.stderr


def test_a_model_for_small_images_would_leave_stages_unused():
    with pytest.raises(ValueError, match="last stages would stay unused"):
        swap_backbone(
            load_config("mmpretrain::resnet/resnet50_8xb16_cifar10.py"), "resneskt50:none"
        )
