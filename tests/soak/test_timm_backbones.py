"""Forty networks of timm in four detectors, each with two training steps and a prediction."""

import pytest

from mmresneskt import swap_backbone
from mmresneskt.paper.zoo.trial import trial
from mmresneskt.runtime.config.load import load_config

CONFIGS = {
    "faster_rcnn": "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "retinanet": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    "mask_rcnn": "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "dino": "mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py",
}
# one or two of a family, small ones
NETWORKS = [
    *("convnext_atto", "convnext_tiny.dinov3_lvd1689m", "cs3darknet_s", "davit_tiny"),
    *("densenet121", "dla34", "edgenext_xx_small", "efficientnet_b0", "efficientvit_b0"),
    *("ese_vovnet19b_slim", "fastvit_t8", "ghostnet_050", "hardcorenas_a", "hgnetv2_b0"),
    *("hrnet_w18_small", "inception_next_tiny", "legacy_seresnet18", "mambaout_femto"),
    *("maxvit_tiny_tf_224", "mobilenetv3_small_050", "mobilevit_xxs", "starnet_s1"),
    *("nf_regnet_b0", "poolformer_s12", "pvt_v2_b0", "regnetx_002", "repghostnet_050"),
    *("repvit_m0_9", "res2net50_14w_8s", "resneskt14", "resnest14d", "resnet18", "resnext26ts"),
    *("rexnet_100", "skresnet18", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"),
    *("swinv2_cr_tiny_ns_224", "tiny_vit_5m_224", "twins_pcpvt_small", "xception41"),
]
REFUSED = {
    "coat_lite_tiny": "cannot be set up for images of any size",
    "inception_v3": "cannot be set up for images of any size",
    "mvitv2_tiny": "cannot be set up for images of any size",
    "mixer_b16_224": "cannot be set up for images of any size",
    "tresnet_m": "Return layers",
    "selecsls42": "its last stages would stay unused",
    "vit_small_patch16_dinov3": r"wants maps of strides \[4, 8, 16, 32\], and .* has \[16\]",
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_trains_and_predicts(network, config, frozen):
    trial(swap_backbone(load_config(config), f"timm:{network}:none"), steps=2)


@pytest.mark.parametrize("network", REFUSED)
def test_a_network_that_cannot_be_put_in_says_why(network):
    with pytest.raises(ValueError, match=REFUSED[network]):
        swap_backbone(load_config(CONFIGS["faster_rcnn"]), f"timm:{network}:none")
