"""Found by every MM library's registry, and trained in whole configs of two more of them."""

import subprocess

import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, Registry

from mmresneskt import ResNeSkt
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import ROOT, skip_without
from tests.support.python import python

# what a library's models cannot be imported without
NEEDED = {"mmseg": ("mmseg", "ftfy", "regex"), "mmpose": ("mmpose", "xtcocotools.mask")}
SEGMENTATION = "dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1)"
WHOLE = {
    "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py": (SEGMENTATION, (19, 8, 8)),
    "mmseg::upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py": ("", (19, 16, 16)),
    "mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py": (
        "out_indices=(3,)",
        (17, 16, 16),
    ),
}


@pytest.fixture
def elsewhere():
    """A library's registry, made as mmseg's and mmpose's are; nothing of it stays."""
    yield Registry("model", parent=MODELS, scope="elsewhere")
    del MODELS.children["elsewhere"]


def test_a_registry_under_the_root_finds_the_class(elsewhere):
    assert type(elsewhere.build(dict(type="ResNeSkt", depth=14))) is ResNeSkt
    assert MODELS.get("elsewhere.ResNeSkt") is ResNeSkt
    assert not elsewhere.module_dict


def test_a_library_that_has_the_name_keeps_its_own(elsewhere):
    class Other:
        pass

    elsewhere.register_module(name="ResNeSkt", module=Other)
    assert elsewhere.get("ResNeSkt") is Other
    assert MODELS.get("ResNeSkt") is ResNeSkt


def test_libraries_that_break_when_imported_are_left_alone(tmp_path):
    for name in NEEDED:
        (tmp_path / f"{name}.py").write_text(f"print('{name}')\nraise RuntimeError('{name}')\n")
    script = "import sys; sys.path.insert(0, sys.argv[1]); import mmresneskt"
    command = [python(), "-c", script, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert not [name for name in NEEDED if name in result.stderr]


@pytest.mark.parametrize("base", WHOLE, ids=lambda base: base.split("/")[-1])
def test_whole_configs_build_and_run(base, tmp_path):
    skip_without(*NEEDED[base.split("::")[0]])
    arguments, shape = WHOLE[base]
    path = tmp_path / "config.py"
    path.write_text(
        f"_base_ = {base!r}\n"
        "custom_imports = dict(imports=['mmresneskt'])\n"
        "norm_cfg = dict(type='SyncBN')\n"
        f"backbone = dict(type='ResNeSkt', depth=50, norm_cfg=norm_cfg, {arguments})\n"
        "model = dict(backbone=dict(_delete_=True, **backbone))\n"
    )
    cfg = load_config(str(path))
    cfg.model.pop("pretrained", None)  # mmseg's: weights of the ResNet that was there
    model = revert_sync_batchnorm(build(cfg, cfg.model)).train()
    assert type(model.backbone) is ResNeSkt
    output = model(torch.rand(2, 3, 64, 64), None, mode="tensor")
    output.sum().backward()
    assert output.shape == (2, *shape)
    assert model.backbone.layer1[0].conv1.weight.grad.isfinite().all()
