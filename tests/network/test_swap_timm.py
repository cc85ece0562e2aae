"""A network of timm in a config."""

import pytest
import timm
import torch

from mmresneskt import swap_backbone
from mmresneskt.cli import call
from mmresneskt.network.swap import listing, timm_backbones
from mmresneskt.network.swap.find import name_for_folder, split_name
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError

RETINANET = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
MASK_RCNN = "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"
DC5 = "mmdet::faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py"
CLASSIFIER = "mmpretrain::resnet/resnet50_8xb32_in1k.py"


def test_what_a_swap_sets():
    cfg = load_config(RETINANET)
    swapped = swap_backbone(cfg, "timm:swin_tiny_patch4_window7_224")
    assert swapped.model.backbone == dict(
        type="TimmFeatures",
        model_name="swin_tiny_patch4_window7_224",
        model_args=dict(strict_img_size=False, always_partition=True),
        size_divisor=32,
        out_indices=(1, 2, 3),  # the neck passes over the first
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(type="TimmPretrained", checkpoint="timm://swin_tiny_patch4_window7_224"),
    )
    assert swapped.model.neck == dict(
        type="FPN",
        in_channels=[192, 384, 768],
        out_channels=256,
        start_level=0,
        add_extra_convs="on_input",
        num_outs=5,
    )
    assert swapped.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert swapped.model.data_preprocessor.std == [58.395, 57.12, 57.375]
    assert swapped.custom_imports.imports == ["mmresneskt"]


def test_a_necks_last_map_moves_with_its_first():
    cfg = load_config(RETINANET)
    cfg.model.neck.update(end_level=2, num_outs=2)
    neck = swap_backbone(cfg, "timm:resnet18:none").model.neck
    assert (neck.in_channels, neck.start_level, neck.end_level) == ([128, 256, 512], 0, 1)


@pytest.mark.parametrize(
    ("config", "neck", "decoder", "auxiliary"),
    [
        ("upernet/upernet_r50_4xb4-40k_voc12aug-512x512.py", None, [64, 128, 256, 512], 256),
        ("fastfcn/fastfcn_r50-d32_jpu_psp_4xb4-160k_ade20k-512x512.py", 3, 2048, 256),
        ("fastfcn/fastfcn_r50-d32_jpu_enc_4xb4-160k_ade20k-512x512.py", 3, [128, 256, 2048], 256),
        ("sem_fpn/fpn_r50_4xb2-80k_cityscapes-512x1024.py", 4, [256] * 4, None),
    ],
)
def test_heads_of_mmsegmentation_get_the_channels_of_their_maps(config, neck, decoder, auxiliary):
    pytest.importorskip("mmseg")
    model = swap_backbone(load_config(f"mmseg::{config}"), "timm:resnet18:none").model
    assert model.decode_head.in_channels == decoder
    assert auxiliary is None or model.auxiliary_head.in_channels == auxiliary
    assert neck is None or [*model.neck.in_channels] == [64, 128, 256, 512][-neck:]


def test_a_decoder_of_the_first_map_too():
    pytest.importorskip("mmseg")
    cfg = load_config("mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-40k_voc12aug-512x512.py")
    cfg.model.backbone.update(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1))
    model = swap_backbone(cfg, "timm:resnet18:none").model
    assert (model.decode_head.in_channels, model.decode_head.c1_in_channels) == (512, 64)
    assert model.auxiliary_head.in_channels == 256


def test_normalisation_is_that_of_the_weights_tag():
    swapped = swap_backbone(load_config(RETINANET), "timm:tf_efficientnet_b0.ap_in1k")
    assert swapped.model.data_preprocessor.mean == [127.5] * 3
    assert swapped.model.data_preprocessor.std == [127.5] * 3
    assert swapped.model.backbone.init_cfg.checkpoint == "timm://tf_efficientnet_b0.ap_in1k"


def test_what_a_swap_sets_from_scratch_and_from_a_file():
    scratch = swap_backbone(load_config(RETINANET), "timm:resnet18:none").model.backbone
    assert "init_cfg" not in scratch
    assert (scratch.frozen_stages, scratch.norm_eval) == (-1, False)
    filed = swap_backbone(load_config(RETINANET), "timm:resnet18:C:/a.pth").model.backbone
    assert filed.init_cfg == dict(type="TimmPretrained", checkpoint="C:/a.pth")


@pytest.mark.parametrize(
    ("config", "network", "indices", "channels"),
    [
        (RETINANET, "resnet18", (2, 3, 4), [128, 256, 512]),
        (MASK_RCNN, "resnet18", (1, 2, 3, 4), [64, 128, 256, 512]),
        (
            "mmdet::yolo/yolov3_d53_8xb8-320-273e_coco.py",
            "convnext_atto",
            (1, 2, 3),
            [320, 160, 80],
        ),
        (DC5, "vit_small_patch16_dinov3", (11,), None),  # the last of the many of stride 16
        (CLASSIFIER, "vit_tiny_patch16_224", (11,), 192),  # which pools whatever comes
        (CLASSIFIER, "resneskt14", (4,), 2048),
    ],
)
def test_maps_are_chosen_by_their_strides(config, network, indices, channels):
    swapped = swap_backbone(load_config(config), f"timm:{network}:none")
    assert swapped.model.backbone.out_indices == indices
    if channels:
        part = swapped.model.get("neck") or {}
        assert (part if "in_channels" in part else swapped.model.head).in_channels == channels


def test_a_swapped_classifier_runs():
    swapped = swap_backbone(load_config(CLASSIFIER), "timm:test_vit2:none")
    model = build(swapped, swapped.model).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 160, 160)).shape == (1, 1000)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51", r"has no 'resnet51'. Did you mean resnet51q\? See: mmresneskt backbones"),
        (
            "resnet18.none_such",
            r"Invalid pretrained tag \(none_such\) for resnet18. It has: resnet18.a1_in1k",
        ),
        (
            "resneskt50",
            "no public weights of timm:resneskt50: give a FILE, or timm:resneskt50:none",
        ),
        ("vit_tiny_patch16_224:none", r"strides \[8, 16, 32\], and .*_224 has \[16\]"),
        ("cait_xxs24_224:none", r"cannot be set up for images of any size.* 224x224 \("),
        ("mvitv2_tiny:none", "cannot be set up for images of any size.* is out of bounds"),
        ("inception_v3:none", "cannot be set up for images of any size"),
        ("selecsls42:none", "goes on to 64: its last stages would stay unused"),
    ],
)
def test_a_network_that_cannot_be_put_in_says_why(name, message):
    with pytest.raises(ValueError, match=message):
        swap_backbone(load_config(RETINANET), f"timm:{name}")


def test_without_timm_the_command_that_installs_it_is_named(monkeypatch):
    def missing():
        raise ImportError("timm is not installed: pip install 'timm>=1.0.23'")

    monkeypatch.setattr(timm_backbones, "timm_library", missing)
    with pytest.raises(
        ValueError, match=r"timm:resnet19: timm is not installed: pip install 'timm"
    ):
        swap_backbone(load_config(RETINANET), "timm:resnet19")


def test_a_name_and_its_weights_are_told_apart():
    assert split_name("resnet50") == ("resnet50", "")
    assert split_name("resnet50:https://a/b.pth") == ("resnet50", "https://a/b.pth")
    assert split_name("timm:convnext_tiny.fb_in22k") == ("timm:convnext_tiny.fb_in22k", "")
    assert split_name("timm:resnet18:a:b") == ("timm:resnet18", "a:b")
    assert name_for_folder("timm:resnet18:none") == "timm_resnet18"


def test_the_command_prints_the_table(capsys):
    call("backbones", ["resneskt50_author"])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["name", "parameters"]
    assert row.split()[:3] == ["resneskt50_author", "25.44", "4.33"]
    with pytest.raises(UserError, match="no backbone matches timm:zzz"):
        call("backbones", ["timm:zzz"])


def test_the_listing_counts_what_matches_and_names_the_rest(monkeypatch):
    monkeypatch.setattr(listing, "_MOST", 1)
    assert listing.rows("timm:resnet18.tv_in1k")[0][0][0] == "timm:resnet18.tv_in1k"
    (own,), without = listing.rows("resneskt50_*")
    assert own[0] == "resneskt50_author"
    assert without == 0
    found, without = listing.rows("timm:resnet1[0-9][!0-9]*")
    assert [row[0] for row in found] == ["timm:resnet10t", "timm:resnet14t", "timm:resnet18d"]
    assert found[1:] == [[name, "", "", "", ""] for name in ("timm:resnet14t", "timm:resnet18d")]
    assert without == 2
    assert [row[0] for row in listing.rows("resnest50", timm=True)[0]][:2] == [
        "resnest50",
        "timm:resnest50d",
    ]

    network = timm.create_model("resnet18", features_only=True)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    # 1.814 G multiply-accumulates are published for the network, 512 * 1000 of them for its classes
    assert listing.rows("timm:[r]esnet18")[0] == [
        ["timm:resnet18", parameters / 1e6, pytest.approx(1.8136, abs=1e-3), 224, "2, 4, 8, 16, 32"]
    ]
