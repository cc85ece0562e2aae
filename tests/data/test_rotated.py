"""The generated parcels with turned boxes: what trains on them, and how it is evaluated."""

import json
import pickle
import re

import cv2
import numpy as np
import pytest
import shapely

from tests.support.embedded import train_and_test
from tests.support.helpers import run_tool, skip_without

skip_without("mmrotate")
FEW = ["train_dataloader.dataset.num_images=60", "max_epochs=2"]
FEW += ["train_cfg.val_interval=3"]  # an evaluation starts four processes
FEW += [f"{part}_dataloader.dataset.num_images=12" for part in ("val", "test")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rotated")
    done, output = train_and_test(folder, "rotated_fcos_resneskt_parcels.py", FEW)
    assert "no report: FCOS gives turned boxes" in done.stderr
    losses = [float(value) for value in re.findall(r" loss: ([\d.]+)", done.stdout)]
    assert losses[-1] < losses[0]
    return folder, output


def polygon(box):
    """Of a center, width, height and radians from x towards y."""
    x, y, width, height, angle = map(float, box)
    return shapely.Polygon(cv2.boxPoints(((x, y), (width, height), np.degrees(angle))))


def average_precision(found, truth):
    """With 11 points, of ``found`` (score, image, polygon) and polygons of each image."""
    free = {image: [True] * len(polygons) for image, polygons in truth.items()}
    right = []
    for _, image, box in sorted(found, key=lambda one: -one[0]):
        overlaps = [box.intersection(t).area / box.union(t).area for t in truth.get(image, ())]
        best = int(np.argmax(overlaps or [0]))
        right.append(bool(overlaps) and overlaps[best] >= 0.5 and free[image][best])
        if right[-1]:
            free[image][best] = False
    hits = np.cumsum(right)
    recall = hits / sum(map(len, truth.values()))
    precision = hits / np.arange(1, len(hits) + 1)
    return np.mean([max(precision[recall >= t], default=0) for t in np.linspace(0, 1, 11)])


def test_the_measure_is_the_mean_average_precision_of_turned_boxes(trained):
    folder, output = trained
    (file,) = folder.glob("data/**/*_seed1_*/annotations.json")
    truth, found = {}, {}
    for one in json.loads(file.read_text())["annotations"]:
        boxes = truth.setdefault(one["category_id"] - 1, {}).setdefault(one["image_id"], [])
        boxes.append(shapely.Polygon(np.reshape(one["qbox"], (4, 2))))
    for sample in pickle.loads((folder / "found.pkl").read_bytes()):
        boxes = sample["pred_instances"]
        for box, score, label in zip(boxes["bboxes"], boxes["scores"], boxes["labels"].tolist()):
            found.setdefault(label, []).append((float(score), sample["img_id"], polygon(box)))
    expected = np.mean([average_precision(found.get(label, []), truth[label]) for label in truth])
    assert expected > 0
    measured = float(re.search(r" dota/mAP: ([\d.]+)", output)[1])
    assert measured == pytest.approx(expected, abs=2e-3)  # a box on the threshold, rounded
    assert len([*(folder / "shown").glob("*.jpg")]) == 12


def test_predict_names_what_predicts_with_it(trained):
    folder, _ = trained
    image = next(folder.glob("data/**/images/000000.jpg"))
    done = run_tool("predict", "wd", image, cwd=folder)
    assert done.returncode == 2
    assert "error: FCOS is no detector of upright boxes and no classifier" in done.stderr
    assert "DetInferencer with scope='mmrotate'" in done.stderr
    assert "Traceback" not in done.stderr
