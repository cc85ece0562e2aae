"""What a run waits for is what its evaluation gives, and what it computes can be computed."""

import sys

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from mmresneskt.runtime.preflight.build import unbuildable
from mmresneskt.runtime.preflight.metrics import wrong_metrics

COCO = dict(type="CocoMetric", metric="bbox", ann_file="not/read.json", outfile_prefix="not/made")
VOC = dict(type="VOCMetric", metric="mAP")
TOP1 = dict(type="Accuracy", topk=1)
LABELS = dict(type="SingleLabelMetric", average=None)


@METRICS.register_module(force=True)
class OwnMetric(BaseMetric):
    """A user's, which takes samples of its own and gives what nobody knows."""

    def process(self, data_batch, data_samples):
        raise ValueError("what is this?")

    def compute_metrics(self, results):
        return {}


def problems(evaluator, scope="mmdet", classes=2, **others):
    model = dict(bbox_head=dict(num_classes=classes))
    cfg = dict(default_scope=scope, model=model, val_evaluator=evaluator, val_cfg=dict())
    return [str(f) for f in wrong_metrics(Config(dict(cfg, **others)), ("val",))]


def saved(name):
    return dict(default_hooks=dict(checkpoint=dict(type="CheckpointHook", save_best=name)))


def stopped(name):
    return dict(custom_hooks=[dict(type="EarlyStoppingHook", monitor=name, rule="greater")])


@pytest.mark.parametrize(
    ("evaluator", "scope", "right", "wrong"),
    [
        (COCO, "mmdet", "coco/bbox_mAP_50", "bbox_mAP_50"),
        (dict(COCO, prefix="x", metric=["bbox", "segm"]), "mmdet", "x/segm_mAP", "coco/segm_mAP"),
        (dict(COCO, classwise=True), "mmdet", "coco/1_precision", "coco/2_precision"),
        (dict(COCO, metric="proposal_fast"), "mmdet", "coco/AR@100", "coco/bbox_mAP"),
        (VOC, "mmdet", "pascal_voc/mAP", "coco/bbox_mAP"),
        ([COCO, VOC], "mmdet", "pascal_voc/AP50", "pascal_voc/AP75"),
        (dict(type="Evaluator", metrics=[COCO]), "mmdet", "coco/bbox_mAP", "bbox_mAP"),
        (TOP1, "mmpretrain", "accuracy/top1", "accuracy/top5"),
        (
            [TOP1, LABELS],
            "mmpretrain",
            "single-label/f1-score_classwise",
            "single-label/f1-score",
        ),
    ],
)
def test_names_that_no_metric_has(evaluator, scope, right, wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    best, stop = "default_hooks.checkpoint.save_best", "custom_hooks.0.monitor"
    waiting = [(saved(right), saved(wrong), best), (saved([right]), saved([right, wrong]), best)]
    waiting.append((stopped(right), stopped(wrong), stop))
    for good, bad, key in waiting:
        assert not problems(evaluator, scope, **good)
        (problem,) = problems(evaluator, scope, **bad)
        assert problem.startswith(f"{key}: {wrong!r} is no metric of the validation, which gives ")
        assert right in problem
    assert not list(tmp_path.iterdir())


def test_a_schedule_waits_for_the_loss_unless_it_is_told_otherwise():
    schedule = dict(type="ReduceOnPlateauLR")
    (problem,) = problems(TOP1, "mmpretrain", param_scheduler=[schedule])
    assert problem.startswith("param_scheduler.0.monitor: 'loss' is no metric")
    told = dict(schedule, monitor="accuracy/top1", rule="greater")
    assert not problems(TOP1, "mmpretrain", param_scheduler=told)


@pytest.mark.parametrize(
    ("evaluator", "others"),
    [
        (dict(type="OwnMetric"), {}),
        ([COCO, dict(type="OwnMetric")], {}),
        (dict(type="LVISMetric", ann_file="not/read.json"), {}),
        (dict(type="DumpDetResults", out_file_path="not_made.pkl"), {}),
        (COCO, dict(val_cfg=dict(type="TeacherStudentValLoop"))),  # teacher/coco/bbox_mAP
        (COCO, saved("auto")),
        (COCO, saved("coco/bbox_mAP")),
    ],
)
def test_of_what_is_not_known_nothing_is_said(evaluator, others, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not problems(evaluator, **{**saved("teacher/x"), **others})
    assert not list(tmp_path.iterdir())


def test_the_best_by_a_first_metric_of_which_nobody_knows_what_is_better():
    matrix = dict(type="ConfusionMatrix")
    (problem,) = problems([matrix, TOP1], "mmpretrain", **saved("auto"))
    assert "default_hooks.checkpoint" in problem
    assert "rule" in problem


@pytest.mark.parametrize("classes", ["80", 2.5, None, True, [2]])
def test_a_number_of_classes_that_is_none_is_told_elsewhere(classes):
    assert problems(TOP1, "mmpretrain", classes) == []


@pytest.mark.parametrize("evaluator", [dict(TOP1, topk=(1, 5)), [LABELS, dict(TOP1, topk=(1, 5))]])
def test_a_metric_that_needs_more_classes_than_there_are(evaluator):
    (problem,) = problems(evaluator, "mmpretrain", classes=4)
    assert "topk=(1, 5): Top-5 accuracy is unavailable" in problem
    assert not problems(evaluator, "mmpretrain", classes=5)


def test_a_backend_whose_package_is_missing(monkeypatch):
    backends = [dict(type="LocalVisBackend"), dict(type="MLflowVisBackend")]
    visualizer = dict(type="Visualizer", vis_backends=backends)
    cfg = Config(dict(model=dict(), visualizer=visualizer))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    (problem,) = map(str, unbuildable(cfg))
    assert problem.startswith("visualizer.vis_backends.1.type: MLflowVisBackend needs mlflow: ")
    assert problem.endswith("pip install mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", pytest)
    assert not list(unbuildable(cfg))


def test_the_boxes_to_compare_with_come_from_a_file_or_with_the_images():
    def found(evaluator, *more):
        pack = dict(type="PackDetInputs", meta_keys=("img_id", "ori_shape", *more))
        dataset = dict(type="CocoDataset", metainfo=dict(classes=("a",)), pipeline=[pack])
        return problems(evaluator, val_dataloader=dict(dataset=dataset))

    bare = dict(type="CocoMetric")
    (problem,) = found(bare)
    assert problem.startswith("val_evaluator.ann_file: CocoMetric has no ann_file")
    assert "add 'instances' to val_dataloader.dataset.pipeline.0.meta_keys" in problem
    assert not found(bare, "instances")
    assert not found(dict(bare, ann_file="a.json"))


def test_a_dataset_may_say_arrays_of_itself():
    """As MMPose's do."""
    metainfo = dict(classes=("a", "b"), sigmas=np.ones(3))
    loader = dict(dataset=dict(type="CocoDataset", metainfo=metainfo, pipeline=[]))
    assert not problems(COCO, val_dataloader=loader, **saved("coco/bbox_mAP"))
