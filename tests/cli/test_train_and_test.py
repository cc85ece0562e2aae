"""The scripts as users run them, from a folder that is not the repository's."""

import json
import pickle
import re

import cv2
import pytest
import torch

from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.ops import stub
from tests.support.attacks import Calls
from tests.support.helpers import DATA, ROOT, run_tool, start_tool
from tests.support.lite import copy_mmcv, python
from tests.support.small_classifier import CLASSIFIER, write_images
from tests.support.small_models import CLASSES, DEPTH, save_model, scene
from tests.support.small_models import CLASSIFIER as SMALL_CLASSIFIER
from tests.support.voc_folder import write

PARCELS = ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"
VOC = ROOT / "configs" / "faster_rcnn_resneskt50_voc.py"
COCO = ROOT / "configs" / "faster_rcnn_resneskt50.py"
TINY = [
    "--cfg-options",
    "model.backbone.depth=14",
    "train_dataloader.dataset.num_images=8",
    "val_dataloader.dataset.num_images=4",
    "test_dataloader.dataset.num_images=4",
    "default_hooks.logger.interval=1",
]

WRAPPED = """
_base_ = "{root}/configs/faster_rcnn_resneskt_parcels.py"
parcels = dict(
    type="ParcelsDataset", data_root="parcels", num_images=4, size=(160, 160), seed=0
)
whole = dict(parcels, pipeline=_base_.train_pipeline)
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)]
mix = [
    dict(type="Mosaic", img_scale=(160, 160)),
    dict(type="MixUp", img_scale=(160, 160)),
    dict(type="Resize", scale=(160, 160)),
    dict(type="PackDetInputs"),
]
parts = [
    dict(type="RepeatDataset", times=2, dataset=whole),
    dict(type="ClassBalancedDataset", oversample_thr=0.5, dataset=whole),
    dict(type="MultiImageMixDataset", dataset=dict(parcels, pipeline=load), pipeline=mix),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(_delete_=True, type="ConcatDataset", datasets=parts),
)
val_dataloader = dict(dataset=dict(num_images=2))
test_dataloader = dict(dataset=dict(num_images=2))
train_cfg = dict(max_epochs=1, val_interval=9)
default_hooks = dict(logger=dict(interval=1))
"""


def logged(work_dir):
    """The losses of every training iteration of every start, in order."""
    lines = []
    for log in sorted(work_dir.glob("*/vis_data/scalars.json")):
        lines += [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three epochs, killed after the first and resumed."""
    folder = tmp_path_factory.mktemp("run")
    command = [PARCELS, "--work-dir", "wd", *TINY, "train_cfg.val_interval=1"]
    command += ["train_cfg.max_epochs=3", "default_hooks.checkpoint.max_keep_ckpts=9"]
    with start_tool("train", *command, cwd=folder) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "coco/bbox_mAP:" in line:  # of the first epoch
                process.kill()
    resumed = run_tool("train", *command[:3], "--resume", *command[3:], cwd=folder)
    return folder, "".join(lines), resumed


def test_training_shows_progress_and_evaluates(trained):
    folder, output, _ = trained
    assert re.search(r"Epoch\(train\) +\[1\]\[2/2\].* eta: ", output), output
    assert "coco/bbox_mAP" in output
    assert (folder / "wd" / "epoch_1.pth").exists()


def test_everyday_programs_take_what_it_leaves(trained, tmp_path):
    """They import no mmresneskt: mmcv.ops is served beside mmcv, the rest by custom_imports."""
    stub.install(copy_mmcv(tmp_path / "site"))
    folder, *_ = trained
    detector = [folder / "wd" / PARCELS.name, folder / "wd/epoch_3.pth"]
    load_config(SMALL_CLASSIFIER, DEPTH).dump(tmp_path / "classifier.py")
    meta = dict(classes=CLASSES)
    weights = save_model(tmp_path / "classifier.pth", SMALL_CLASSIFIER, meta, random=False)
    cv2.imwrite(str(tmp_path / "x.png"), scene())
    program = ROOT / "tests/support/everyday.py"
    arguments = [*detector, tmp_path / "classifier.py", weights, tmp_path / "x.png"]
    done = python(tmp_path / "site", program, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    output = done.stdout.splitlines()
    assert output[-1] in CLASSES
    assert any(re.fullmatch(r"Params: [\d.]+M", line) for line in output)
    tested, evaluated = re.findall(r"coco/bbox_mAP'?: ([\d.]+)", done.stdout)
    assert float(tested) == pytest.approx(float(evaluated), abs=1e-4)
    assert len([*(folder / "browsed").iterdir()]) == 8
    assert (folder / "confusion_matrix.png").exists()


def test_datasets_in_wrappers_train(tmp_path):
    (tmp_path / "config.py").write_text(WRAPPED.format(root=ROOT))
    options = ["--work-dir", "wd", "--max-broken-images", "1"]
    done = run_tool("train", "config.py", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    steps = [line["step"] for line in logged(tmp_path / "wd")]
    # 4 images twice, those of rare kinds more than once, and 4 mixed ones; in batches of 4
    assert len(steps) == steps[-1] >= 4
    assert (tmp_path / "wd/epoch_1.pth").exists()


def test_resuming_goes_on_where_the_run_was_killed(trained):
    folder, _, resumed = trained
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"resumed epoch: [12], iter: [24]", resumed.stdout + resumed.stderr)
    steps = [line["step"] for line in logged(folder / "wd")]
    assert steps[:2] == [1, 2]
    assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6]
    assert steps[-1] == 6
    assert (folder / "wd" / "last_checkpoint").read_text().endswith("epoch_3.pth")


def test_resume_from_a_named_checkpoint(trained):
    folder, _, _ = trained
    result = run_tool(
        "train",
        *(PARCELS, "--work-dir", "wd2", "--resume", "wd/epoch_1.pth", *TINY),
        "train_cfg.max_epochs=2",
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    assert "resumed epoch: 1, iter: 2" in result.stdout + result.stderr
    assert [line["step"] for line in logged(folder / "wd2")] == [3, 4]


def test_testing_a_checkpoint_draws_and_dumps(trained):
    folder, _, _ = trained
    document = torch.load(folder / "wd" / "epoch_2.pth", weights_only=False)
    document["state_dict"]["of.another.head"] = torch.ones(1)  # is no reason to refuse it
    torch.save(document, folder / "more.pth")
    arguments = [PARCELS, "more.pth", "--show-dir", "shown", "--out", "out.pkl", *TINY]
    result = run_tool("test", *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "coco/bbox_mAP" in result.stdout + result.stderr
    assert len(list((folder / "shown").glob("*.jpg"))) == 4
    assert len(pickle.loads((folder / "out.pkl").read_bytes())) == 4


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda state: state.pop("neck.fpn_convs.0.conv.bias"), r"neck\.fpn_convs\.0\.conv\.bias"),
        (lambda state: state.update({"rpn_head.rpn_cls.bias": torch.ones(9)}), r"rpn_cls\.bias"),
    ],
)
def test_testing_a_checkpoint_of_another_model(trained, change, first):
    """It would be evaluated with layers as they were drawn."""
    folder, _, _ = trained
    document = torch.load(folder / "wd" / "epoch_2.pth", weights_only=False)
    change(document["state_dict"])
    torch.save(document, folder / "other.pth")
    result = run_tool("test", PARCELS, "other.pth", *TINY, cwd=folder)
    assert result.returncode == 2, result.stdout
    assert re.search(
        rf"error: checkpoint other\.pth does not fit .*; \S*{first} does", result.stderr
    )


def test_voc_folder_by_one_option(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / "voc", name, [("dog", 0, 10, 8, 40, 40), ("cat", 0, 3, 3, 30, 30)])
    for split in ("train", "val", "test"):
        (tmp_path / "voc/ImageSets/Main" / f"{split}.txt").write_text("a\nb\nc\n")
    options = ["data_root=voc", "model.backbone.depth=14"]
    # three images in batches of two: the last batch holds one
    result = run_tool(
        "train",
        *(VOC, "--work-dir", "wd", "--cfg-options", *options, "train_cfg.max_epochs=1"),
        "train_cfg.val_interval=1",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "coco/bbox_mAP" in result.stdout + result.stderr
    checkpoint = torch.load(tmp_path / "wd/epoch_1.pth", weights_only=False)
    assert list(checkpoint["meta"]["dataset_meta"]["classes"]) == ["cat", "dog"]
    assert checkpoint["state_dict"]["roi_head.bbox_head.fc_cls.weight"].shape[0] == 3


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("train", ["nothing.py"], "config nothing.py does not exist"),
        (
            "train",
            [ROOT / "configs/faster_rcnn_resneskt_parcel.py"],
            "Did you mean .*faster_rcnn_resneskt_parcels.py",
        ),
        (
            "train",
            [COCO],
            r"annotations/instances_train2017\.json is missing \(train_dataloader.*cocodataset\.org"
            r".*faster_rcnn_resneskt_parcels\.py",
        ),
        (
            "train",
            [ROOT / "configs/resneskt50_imagenet10.py"],
            r"data/imagenet10/train is missing.*prepare-imagenet10.*resneskt_parcels10.py",
        ),
        ("train", [VOC, "--cfg-options", "data_root=nowhere"], "nowhere/Annotations.*data_root="),
        ("train", [PARCELS, "--resume", "none.pth"], "checkpoint none.pth does not exist"),
        (
            "train",
            [PARCELS, "--cfg-options", "load_from=none.pth"],
            "checkpoint none.pth does not exist",
        ),
        ("test", [PARCELS, "none.pth"], "checkpoint none.pth does not exist"),
        ("test", [PARCELS, PARCELS, "--out", "x.json"], r"--out x\.json.*\.pkl"),
        (
            "train",
            [PARCELS, "--cfg-options", "model.backbone.spatial_kernel=3"],
            "spatial_kernel'.*Did you mean spatial_kernels",
        ),
        ("train", [PARCELS, "--cfg-options", "model.backbone.depth=51"], "depth=51.*14, 26, 50"),
        (
            "train",
            [PARCELS, "--cfg-options", "model.backbone.out_indices=(1,2,3)"],
            r"in_channels=\[256, .*out_indices=\(1, 2, 3\) give \[512, 1024, 2048\]",
        ),
        (
            "train",
            [PARCELS, "--cfg-options", "model.backbone.type=ResNetSkt"],
            "ResNetSkt is not in the mmdet::model registry",
        ),
        (
            "train",
            [PARCELS, "--auto-scale-lr", "--cfg-options", "auto_scale_lr=None"],
            "no auto_scale_lr.base_batch_size",
        ),
        ("train", [PARCELS, "--amp"], "AmpOptimizerWrapper.*gpu"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(tool, arguments, text, tmp_path):
    if "--amp" in arguments and torch.cuda.is_available():
        pytest.skip("mixed precision works here")
    result = run_tool(tool, *arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert re.search(text, last), last
    assert "Traceback" not in result.stderr


def test_classifiers_train_and_test_alike(tmp_path):
    write_images(tmp_path / "images", 2)
    (tmp_path / "classifier.py").write_text(CLASSIFIER)
    result = run_tool("train", "classifier.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "accuracy/top1" in result.stdout + result.stderr
    checkpoint = "work_dirs/classifier/epoch_1.pth"  # MM's default folder
    arguments = ("--show-dir", "shown", "--out", "out.pkl")
    result = run_tool("test", "classifier.py", checkpoint, *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "accuracy/top1" in result.stdout + result.stderr
    pictures = {str(p.relative_to(tmp_path / "shown")) for p in (tmp_path / "shown").rglob("*.png")}
    assert pictures == {f"{name}/{index}.png" for name in ("dark", "light") for index in range(2)}
    assert len(pickle.loads((tmp_path / "out.pkl").read_bytes())) == 4


def test_debug_shows_the_traceback(tmp_path):
    result = run_tool("train", "nothing.py", "--debug", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_a_checkpoint_that_would_run_code_is_one_line_too(tmp_path):
    torch.save(Calls(print, "it ran"), tmp_path / "bad.pth")
    result = run_tool("test", PARCELS, "bad.pth", *TINY, cwd=tmp_path)
    assert result.returncode == 2
    assert re.search(r"error: .*bad\.pth is refused: it asks for (builtins\.)?print", result.stderr)
    assert "it ran" not in result.stdout


def test_resuming_does_not_execute_the_config_in_a_checkpoint(trained):
    folder, _, _ = trained
    document = torch.load(folder / "wd" / "epoch_1.pth", weights_only=False)
    assert "faster_rcnn" in document["meta"]["experiment_name"]
    document["meta"]["config"] = f"open({str(folder / 'marker')!r}, 'w').close()"
    torch.save(document, folder / "forged.pth")
    arguments = [PARCELS, "--work-dir", "wd3", "--resume", "forged.pth", *TINY]
    result = run_tool("train", *arguments, "train_cfg.max_epochs=2", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "resumed epoch: 1, iter: 2" in result.stdout + result.stderr
    assert not (folder / "marker").exists()


@pytest.mark.skipif(not (DATA / "bccd").exists(), reason="the photographs are not there")
def test_real_photographs_train_a_step(tmp_path):
    result = run_tool(
        "train",
        *(VOC, "--work-dir", "wd", "--cfg-options", f"data_root={DATA / 'bccd'}"),
        *(f"{part}_dataloader.dataset.indices=2" for part in ("train", "val", "test")),
        *("train_cfg.max_epochs=1", "train_cfg.val_interval=1", "model.backbone.depth=14"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "coco/bbox_mAP" in result.stdout + result.stderr
