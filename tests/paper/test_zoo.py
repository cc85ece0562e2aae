"""Configs of MMDetection's zoo, of twenty kinds: swapped, built, a training step, a prediction."""

import re
from functools import partial

import pytest
import torch

from mmresneskt import ResNeSkt
from mmresneskt.network.swap.swap_backbone import swap_backbone
from mmresneskt.paper.zoo import resnet50_configs, sweep, trial
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import randomize, run_tool

CONFIGS = [
    "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py",
    "centernet/centernet-update_r50-caffe_fpn_ms-1x_coco.py",
    "dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py",
    "detr/detr_r50_8xb2-150e_coco.py",
    "fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py",
    "faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py",
    "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "gcnet/mask-rcnn_r50-syncbn-gcb-r4-c3-c5_fpn_1x_coco.py",
    "gn/mask-rcnn_r50_fpn_gn-all_2x_coco.py",
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py",
    "qdtrack/qdtrack_faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval.py",
    "reid/reid_r50_8xb32-6e_mot15train80_test-mot15val20.py",
    "resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py",
    "retinanet/retinanet_r50_fpn_1x_coco.py",
    "soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py",
    "solov2/solov2_r50_fpn_1x_coco.py",
    "tood/tood_r50_fpn_1x_coco.py",
    "yolof/yolof_r50-c5_8xb8-1x_coco.py",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of the public ResNeSt weights' names and shapes, with other values."""
    file = tmp_path_factory.mktemp("weights") / "resnest50.pth"
    torch.save(randomize(ResNeSkt(50, spatial_attention=False)).state_dict(), file)
    return file


@pytest.mark.parametrize("name", CONFIGS)
def test_trains_a_step_and_predicts(name, weights):
    swap = partial(swap_backbone, name=f"resneskt50:{weights}")
    trial(load_config(f"mmdet::{name}", change=swap), steps=1)


@pytest.mark.parametrize(
    "name",
    [
        "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-40k_voc12aug-512x512.py",
        "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py",
        "mmrotate::rotated_fcos/rotated-fcos-le90_r50_fpn_1x_dota.py",
    ],
)
def test_other_libraries_train_a_step_and_predict(name, weights):
    pytest.importorskip(name.partition(":")[0])
    trial(load_config(name, change=partial(swap_backbone, name=f"resneskt50:{weights}")), steps=1)


def test_the_sweep_takes_all_configs_of_fifty_layers():
    names, unreadable = resnet50_configs()
    assert len(names) > 300
    assert set(CONFIGS) <= set(names)
    assert not set(names) & set(unreadable)
    assert not any("r101" in name and "r50" not in name for name in names)


def test_one_config_by_the_tool_and_what_is_wrong_with_another(tmp_path):
    done = run_tool("sweep", "--one", "rpn/rpn_r50_fpn_1x_coco.py", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "rpn/rpn_r50_fpn_1x_coco.py: works",
    )
    done = run_tool(
        "sweep", "--one", "faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "this is a C4 model" in done.stderr


def test_the_table_says_what_became_of_each(tmp_path, monkeypatch, capfd):
    names = ["faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py", "rpn/rpn_r50_fpn_1x_coco.py"]
    monkeypatch.setattr(sweep, "resnet50_configs", lambda library: (names, {"a.py": "why | not"}))
    monkeypatch.setattr(sweep, "trial", lambda cfg: None)
    sweep.sweep(tmp_path / "table.md", "mmdet")
    text = (tmp_path / "table.md").read_text()
    assert "1 of 2 configs (50.0%)" in text
    assert "A swap makes no sense for 1 of the 1:" in text
    assert re.search(rf"\| {re.escape(names[0])} \| UserError: this is a C4 .* \| works \|\n", text)
    assert "- a.py: why | not" in text
    assert "by folder\n\nrpn 1\n" in text
    assert f"[2/2] {names[1]}: works" in capfd.readouterr().out
