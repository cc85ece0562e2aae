"""Data in COCO's layout: what a config makes of it, and what is said before training starts."""

import json
import os
import pickle
import re

import pytest
import torch
from mmdet.datasets import CocoDataset
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmresneskt import ResNeSkt
from mmresneskt.runtime.preflight import part_problems
from tests.support.coco_tree import IDS, write_tree
from tests.support.helpers import ROOT, run_tool

CONFIG = ROOT / "configs/faster_rcnn_resneskt50.py"
SMALL = [
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "train_dataloader.dataset.pipeline.2.scale=[(96,64),(96,80)]",
    "val_dataloader.dataset.pipeline.1.scale=(96,64)",
    "test_dataloader.dataset.pipeline.1.scale=(96,64)",
    "model.test_cfg.rcnn.score_thr=0.0",
    "model.test_cfg.rpn.max_per_img=30",
    "train_cfg.max_epochs=1",
    "default_hooks.logger.interval=1",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "resnest50.pth"
    torch.save(ResNeSkt(50, spatial_attention=False).state_dict(), file)
    return file


def train(folder, *options):
    command = [CONFIG, "--work-dir", "wd", "--cfg-options", "data_root=coco/", *SMALL, *options]
    return run_tool("train", *command, cwd=folder)


def test_the_config_of_table_3_trains_and_is_evaluated_on_coco(tmp_path, weights, monkeypatch):
    monkeypatch.setenv("RESNEST50_FAST", str(weights))
    tree = write_tree(tmp_path / "coco")
    done = train(tmp_path, "train_dataloader.batch_size=1")
    assert done.returncode == 0, done.stderr[-2000:]
    output = done.stdout + done.stderr
    assert "coco/bbox_mAP:" in output
    # the image without boxes is left out; of the one with a crowd alone, the rest is background
    assert "Epoch(train) [1][3/3]" in re.sub(" +", " ", output)
    out = tmp_path / "predictions.pkl"
    checkpoint = tmp_path / "wd/epoch_1.pth"
    options = ["--out", out, "--cfg-options", "data_root=coco/", *SMALL]
    done = run_tool("test", CONFIG, checkpoint, "--work-dir", "wd", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    known = COCO(str(tree / "annotations/instances_val2017.json"))
    found = pickle.loads(out.read_bytes())
    assert sorted(x["img_id"] for x in found) == sorted(known.getImgIds())
    results = [
        dict(image_id=x["img_id"], category_id=IDS[label], bbox=[a, b, c - a, d - b], score=score)
        for x in found
        for (a, b, c, d), label, score in zip(
            *(x["pred_instances"][key].tolist() for key in ("bboxes", "labels", "scores"))
        )
    ]
    assert results
    expected = COCOeval(known, known.loadRes(results), "bbox")
    expected.evaluate()
    expected.accumulate()
    expected.summarize()
    metrics = json.loads(max((tmp_path / "wd").glob("*/2*.json")).read_text())
    assert metrics["coco/bbox_mAP"] == pytest.approx(expected.stats[0], abs=5e-4)
    assert metrics["coco/bbox_mAP_50"] == pytest.approx(expected.stats[1], abs=5e-4)


def classes(*names):
    return [dict(id=i + 1, name=name) for i, name in enumerate(names)]


@pytest.mark.parametrize(
    ("categories", "options", "message"),
    [
        (
            classes("cat", "dog"),
            [],
            r"instances_train2017\.json \(train_dataloader\) has no category 'person', .*it has "
            r"'cat', 'dog'\. Take these with --cfg-options \"classes=\['cat','dog'\]\"",
        ),
        (
            classes(*"abcdefghijkl"),
            ["classes=" + str([*"bacdefghijkl"]).replace(" ", "")],
            r"categories in another order than the config's classes.*classes=\['a','b',.*,'l'\]",
        ),
    ],
)
def test_annotations_that_do_not_fit_the_classes(tmp_path, categories, options, message):
    write_tree(tmp_path / "coco", categories)
    done = train(tmp_path, "model.backbone.init_cfg=None", *options)
    assert_refused(done, message, tmp_path)


def test_a_dataset_without_objects_and_an_image_that_is_missing(tmp_path):
    tree = write_tree(tmp_path / "coco")
    image = tree / "val2017" / "000000000042.jpg"
    os.rename(image, tree / "elsewhere.jpg")
    done = train(tmp_path, "model.backbone.init_cfg=None")
    message = r"val_dataloader\) lists 4 images, of which 1 are not there, the first: .*0042\.jpg"
    assert_refused(done, message, tmp_path)
    os.rename(tree / "elsewhere.jpg", image)
    file = tree / "annotations/instances_train2017.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))
    done = train(tmp_path, "model.backbone.init_cfg=None")
    message = r"instances_train2017\.json \(train_dataloader\) has no image with an object\."
    assert_refused(done, message, tmp_path)


def test_images_without_objects_are_fine_where_they_are_meant(tmp_path):
    tree = write_tree(tmp_path / "coco")
    file = tree / "annotations/instances_val2017.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))

    def dataset(part):
        return CocoDataset(
            ann_file=str(tree / f"annotations/instances_{part}.json"),
            data_prefix=dict(img=str(tree / part)),
            test_mode=True,
        )

    unlabelled, labelled = dataset("val2017"), dataset("train2017")
    # as COCO's test-dev is published
    [problem] = part_problems([unlabelled], "test_dataloader")
    assert problem.level == "warning"
    assert "no ground truth: predictions only" in problem.message
    # semi-supervised
    assert not list(part_problems([labelled, unlabelled], "train_dataloader"))
    [problem] = part_problems([unlabelled], "val_dataloader")
    assert problem.level == "error"
    assert "no image with an object of the classes person" in problem.message


def assert_refused(done, message, folder):
    assert done.returncode == 2, done.stderr[-2000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(message, errors[0]), errors[0]
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("wd/*.pth"))
