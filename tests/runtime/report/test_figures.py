"""The figures of a report against those of MMDetection and MMPretrain."""

import base64
import importlib.util
from collections import Counter
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.structures import InstanceData
from mmpretrain.evaluation import ConfusionMatrix, SingleLabelMetric

from mmresneskt.runtime.report.classification import by_class, classification_sections
from mmresneskt.runtime.report.collect import Boxes, Classified, Collected, Detected
from mmresneskt.runtime.report.detection import detection_sections
from mmresneskt.runtime.report.matching import confusion
from mmresneskt.runtime.report.page import plain_text

SCRIPT = Path(mmdet.__path__[0], ".mim/tools/analysis_tools/confusion_matrix.py")
CLASSES = 4


def boxes(generator, count, near=None):
    """Random ones, the first of them near others."""
    corners = generator.uniform(0, 200, (count, 2))
    found = np.c_[corners, corners + generator.uniform(5, 120, (count, 2))]
    if near is not None:
        few = min(count, len(near.boxes))
        found[:few] = near.boxes[:few] + generator.uniform(-8, 8, (few, 4))
    labels = generator.integers(0, CLASSES - 1, count)  # of the last class there is none
    if near is not None:
        labels[:few] = np.where(generator.random(few) < 0.7, near.labels[:few], labels[:few])
    scores = generator.random(count) if near is not None else np.ones(count)
    return Boxes(found, labels, scores, np.zeros(count, bool))


def images(seed, count=12):
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        truth = boxes(generator, generator.integers(0, 6))
        made.append(Detected("none.jpg", truth, boxes(generator, generator.integers(0, 9), truth)))
    return made


def instances(image):
    return [
        dict(bbox=box.tolist(), bbox_label=int(label), ignore_flag=int(ignored))
        for box, label, ignored in zip(image.truth.boxes, image.truth.labels, image.truth.ignored)
    ]


def predictions(image):
    found = image.found
    values = dict(bboxes=found.boxes, labels=found.labels, scores=found.scores)
    return InstanceData(**{key: torch.from_numpy(value) for key, value in values.items()})


@pytest.mark.parametrize("crowds", [False, True])
def test_average_precision_is_that_of_the_evaluator(crowds, tmp_path):
    made = images(0)
    for image in made:
        image.truth.ignored[:1] = crowds
    names = [f"kind{n}" for n in range(CLASSES)]
    metric = CocoMetric(classwise=True, outfile_prefix=str(tmp_path / "out"))
    metric.dataset_meta = dict(classes=names)
    for number, image in enumerate(made):
        sample = dict(img_id=number, ori_shape=(400, 400), instances=instances(image))
        metric.process({}, [dict(sample, pred_instances=dict(predictions(image).items()))])
    theirs = metric.evaluate(size=len(made))
    table = next(
        section
        for section in detection_sections(Collected(None, names, 1, 1, detected=made))[1]
        if section.title == "Average precision"
    )
    everything, *rows = table.rows
    keys = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
    assert everything[2:] == pytest.approx([theirs[f"coco/bbox_{k}"] for k in keys], abs=6e-4)
    for name, row in zip(names[:-1], rows):
        assert row[2] == pytest.approx(theirs[f"coco/{name}_precision"], abs=6e-4)
    assert rows[-1][1:] == [0, *[None] * 6]  # no object: no precision, rather than 0
    counted = Counter(n for i in made for n in i.truth.labels[~i.truth.ignored].tolist())
    assert [row[1] for row in rows] == [counted[n] for n in range(CLASSES)]


@pytest.mark.skipif(not SCRIPT.is_file(), reason="this MMDetection brings no scripts")
@pytest.mark.parametrize("seed", range(5))
def test_confusion_of_a_detector_is_that_of_mmdetection(seed):
    spec = importlib.util.spec_from_file_location("confusion_matrix", SCRIPT)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    expected = np.zeros((CLASSES + 1, CLASSES + 1))
    made = images(seed)
    for image in made:
        theirs.analyze_per_img_dets(expected, instances(image), predictions(image), 0.3, 0.5)
    pairs = confusion(made, CLASSES)
    found = [[pairs[row, column] for column in range(CLASSES + 1)] for row in range(CLASSES + 1)]
    assert found == expected.tolist()
    assert expected.trace() > 0


def test_crowds_are_neither_missed_nor_false():
    crowd = Boxes(np.array([[0.0, 0, 50, 50]]), np.array([0]), np.ones(1), np.ones(1, bool))
    on_it = Boxes(crowd.boxes, np.array([1]), np.array([0.9]), np.zeros(1, bool))
    nothing = on_it.of(np.zeros(1, bool))
    images = [Detected("", crowd, on_it), Detected("", crowd, nothing)]
    assert not confusion(images, 2)
    tiles, sections = detection_sections(Collected(None, ["a", "b"], 1, 1, detected=images))
    assert (tiles, [section.title for section in sections]) == ({}, ["Predictions"])


def test_each_class_of_a_classifier_is_as_mmpretrain_counts_it():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 4, 300)
    found = np.where(generator.random(300) < 0.6, true, generator.integers(0, 5, 300))
    pairs = Counter(zip(true.tolist(), found.tolist()))
    matrix = ConfusionMatrix.calculate(torch.tensor(found), torch.tensor(true), num_classes=6)
    assert [[pairs[a, b] for b in range(6)] for a in range(6)] == matrix.tolist()
    ours = by_class(pairs, 6)
    theirs = SingleLabelMetric.calculate(found, true, average=None, num_classes=6)
    for column, values in zip((1, 2, 3, 0), theirs):
        scale = 1 if column == 0 else 100
        expected = [float(value) / scale for value in values]
        assert [row[column] or 0 for row in ours] == pytest.approx(expected)
    assert ours[5] == (0, None, None, None)  # neither there nor found


def test_accuracy_and_the_pairs_that_are_confused():
    images = [Classified("gone.png", 0, [1, 0, 2, 3, 4, 5][:5], score) for score in (0.4, 0.9)]
    images += [Classified("gone.png", 5, [5, 0, 1, 2, 3], 0.8)]
    names = [f"kind{n}" for n in range(6)]
    with plain_text():
        tiles, sections = classification_sections(Collected(None, names, 1, 1, classified=images))
    assert tiles == {"top-1 accuracy, %": "33.33", "top-5 accuracy, %": "100.00"}
    assert [picture.caption for picture in sections[-1].pictures] == [
        "kind0 taken for kind1: 2, with scores of 0.90, 0.40"
    ]


def test_one_class_and_nothing_found():
    truth = Boxes(np.array([[5.0, 5, 30, 40]]), np.array([0]), np.ones(1), np.zeros(1, bool))
    image = Detected("gone.jpg", truth, truth.of(np.zeros(1, bool)))
    with plain_text():
        tiles, sections = detection_sections(Collected(None, ["only"], 1, 1, detected=[image]))
    assert tiles == {"AP": 0.0, "AP50": 0.0, "objects": 1}
    misses = next(section for section in sections if section.title == "Worst misses")
    assert misses.pictures[0].caption.startswith("only, 25 × 35 pixels, not found at all: gone.jpg")


def one(*rows):
    """Boxes of (left, top, right, bottom, label, score)."""
    values = np.array(rows, float).reshape(-1, 6)
    return Boxes(values[:, :4], values[:, 4].astype(int), values[:, 5], np.zeros(len(values), bool))


def test_the_worst_mistakes_come_first_and_large_images_are_made_smaller(tmp_path):
    cv2.imwrite(str(tmp_path / "large.jpg"), np.full((1200, 1600, 3), 90, np.uint8))
    large = str(tmp_path / "large.jpg")
    truth = one((100, 100, 500, 400, 0, 1))
    made = [
        Detected("unsure.jpg", truth, one((100, 100, 500, 400, 0, 0.2))),
        Detected(large, truth, one((100, 100, 500, 400, 1, 0.8), (900, 900, 950, 950, 1, 0.9))),
        Detected("right.jpg", truth, one((100, 100, 500, 390, 0, 0.9))),
        Detected("other.jpg", truth, one((100, 100, 500, 400, 1, 0.95))),
    ]
    with plain_text():
        _, sections = detection_sections(Collected(None, ["a", "b"], 1, 1, detected=made))
    misses, alarms = sections[-2:]
    assert [p.caption.split(": ")[0] for p in misses.pictures] == [
        *["a, 400 × 300 pixels, not found at all"] * 2,
        "a, 400 × 300 pixels, found with a score of 0.20 only",
    ]
    assert [p.caption.split(": ")[0] for p in alarms.pictures] == [
        "b with a score of 0.95 on a",
        "b with a score of 0.90 where no object is",
    ]
    assert "(not drawn: " in alarms.pictures[0].caption  # the file is not there
    for uri in alarms.pictures[1].images:
        data = base64.b64decode(uri.partition(",")[2])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (540, 720, 3)
        # the edge of a box stands out at the scaled place: of the truth, or of what is found on it
        line = picture[60:180, 43:48].astype(int)
        assert abs(line - 90).max() > 60
