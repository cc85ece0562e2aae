"""``mmresneskt ops``: what it writes beside mmcv, what it leaves alone, and what that serves."""

import importlib.util
import os
import re
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from mmresneskt.cli import call
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.ops import stub
from tests.support.coco_tree import write_tree
from tests.support.lite import copy_mmcv, python

TOOLS = Path(importlib.util.find_spec("mmdet").origin).parent / ".mim/tools"
RETINANET = TOOLS.parent / "configs/retinanet/retinanet_r50_fpn_1x_coco.py"
SMALL = [
    "model.backbone.init_cfg=None",
    "model.test_cfg.score_thr=0.0",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "train_dataloader.dataset.pipeline.2.scale=(96,64)",
    *(f"{part}_dataloader.num_workers=0" for part in ("val", "test")),
    *(f"{part}_dataloader.persistent_workers=False" for part in ("val", "test")),
    *(f"{part}_dataloader.dataset.pipeline.1.scale=(96,64)" for part in ("val", "test")),
    "train_cfg.max_epochs=1",
    "train_cfg.val_interval=9",
    "default_hooks.logger.interval=1",
]


@pytest.fixture
def folder(tmp_path):
    """Where mmcv might be installed."""
    (tmp_path / "mmcv").mkdir()
    return tmp_path / "mmcv"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder to put first on PYTHONPATH, with an mmcv of its own."""
    site = tmp_path_factory.mktemp("site")
    copy_mmcv(site)
    return site


def test_it_is_written_named_and_removed(folder):
    file = folder / "_ext.py"
    assert "nothing stands in" in stub.status(folder)
    assert stub.remove(folder) is None
    assert stub.install(folder) == file
    content = file.read_bytes()
    assert stub.install(folder) == file
    assert file.read_bytes() == content
    assert [*folder.iterdir()] == [file]
    assert stub.status(folder) == f"{file} hands mmcv.ops over to mmresneskt"
    assert stub.remove(folder) == file
    assert not [*folder.iterdir()]


def test_nothing_is_written_beside_compiled_operators(folder):
    library = folder / f"_ext{EXTENSION_SUFFIXES[0]}"
    library.touch()
    with pytest.raises(UserError, match=f"compiled operators, {library}"):
        stub.install(folder)
    assert stub.status(folder) == f"mmcv has compiled operators, {library}"
    assert stub.remove(folder) is None
    assert [*folder.iterdir()] == [library]


def test_what_was_left_when_a_compiled_mmcv_came_is_told_and_removed(folder):
    file = stub.install(folder)
    library = folder / f"_ext{EXTENSION_SUFFIXES[0]}"
    library.touch()
    assert stub.status(folder).endswith(f"{library}; {file} is not used: mmresneskt ops remove")
    assert stub.remove(folder) == file
    assert [*folder.iterdir()] == [library]


@pytest.mark.parametrize("do", [stub.install, stub.status, stub.remove])
def test_a_file_of_somebody_else_is_left_alone(folder, do):
    file = folder / "_ext.py"
    file.write_text("nms = None\n")
    with pytest.raises(UserError, match=f"{file} is left alone: mmresneskt has not written it"):
        do(folder)
    assert file.read_text() == "nms = None\n"


def test_without_permission_to_write_nothing_changes(folder, monkeypatch):
    def refuse(*names):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)  # root may write where the mode forbids it
    with pytest.raises(UserError, match=f"^{folder}/_ext.py cannot be written: Permission denied"):
        stub.install(folder)
    assert not [*folder.iterdir()]
    monkeypatch.undo()
    stub.install(folder)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(UserError, match="cannot be removed: Permission denied"):
        stub.remove(folder)
    assert stub.is_stub(folder / "_ext.py")


def test_the_command_says_what_it_did(folder, monkeypatch, capsys):
    monkeypatch.setattr(stub, "mmcv_folder", lambda: folder)
    file = folder / "_ext.py"
    for action, said in {
        "install": f"wrote {file}",
        "status": f"{file} hands mmcv.ops over to mmresneskt",
        "remove": f"removed {file}",
    }.items():
        call("ops", [action])
        assert capsys.readouterr().out == f"{said}\n"
    call("ops", ["remove"])
    assert capsys.readouterr().out == f"{folder} has nothing to remove\n"


def test_a_script_of_mmdetection_trains_and_tests_unmodified(elsewhere):
    done = python(elsewhere, "-m", "mmresneskt", "ops", "install")
    file = elsewhere / "mmcv/_ext.py"
    assert (done.returncode, done.stdout) == (0, f"wrote {file}\n"), done.stderr
    write_tree(elsewhere / "data/coco")
    done = python(elsewhere, TOOLS / "train.py", RETINANET, "--cfg-options", *SMALL)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-2000:]
    assert re.search(r"Epoch\(train\) +\[1\]\[2/2\]", output)
    checkpoint = elsewhere / "work_dirs/retinanet_r50_fpn_1x_coco/epoch_1.pth"
    done = python(elsewhere, TOOLS / "test.py", RETINANET, checkpoint, "--cfg-options", *SMALL)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "coco/bbox_mAP:" in done.stdout + done.stderr


def test_a_program_of_mmpretrains_imports_it_too(elsewhere):
    stub.install(elsewhere / "mmcv")
    use = (
        "import mmpretrain.models, mmcv.cnn.bricks.transformer, mmdet.models, mmcv._ext\n"
        "from mmengine.registry import MODELS\n"
        "print(mmcv._ext.__doc__, MODELS.get('ResNeSkt').__name__)"
    )
    done = python(elsewhere, "-c", use)
    assert done.stdout == "mmcv's operators on torchvision's kernels ResNeSkt\n", done.stderr


def test_without_this_package_the_error_says_what_to_do(elsewhere):
    file = stub.install(elsewhere / "mmcv")
    gone = "import sys; sys.modules['mmresneskt'] = None; import mmcv.cnn; import mmcv.ops"
    last = python(elsewhere, "-c", gone).stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: mmresneskt, which serves mmcv's operators here,")
    assert last.endswith(f"install it again, or remove {file}")
