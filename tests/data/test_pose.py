"""The generated parcels with keypoints: what trains on them, and how it is evaluated."""

import json
import pickle
import re

import numpy as np
import pytest

from tests.support.embedded import train_and_test
from tests.support.helpers import run_tool, skip_without

skip_without("mmpose", "xtcocotools.mask")
FEW = [f"{part}_dataloader.dataset.num_images=12" for part in ("train", "val", "test")]
FEW += ["max_epochs=1", "train_cfg.val_interval=1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pose")
    done, output = train_and_test(folder, "simcc_resneskt_parcels.py", FEW)
    why = "TopdownPoseEstimator gives neither boxes of classes, nor a class of an image"
    assert f"no report: {why}" in done.stderr
    return folder, output


def test_the_measure_is_the_share_of_points_that_are_near(trained):
    folder, output = trained
    found = pickle.loads((folder / "found.pkl").read_bytes())
    (file,) = folder.glob("data/**/*_seed1_*/keypoints.json")
    truth = {pose["id"]: pose for pose in json.loads(file.read_text())["annotations"]}
    assert {sample["id"] for sample in found} == set(truth)
    near, there = np.zeros((2, 4))
    for sample in found:
        pose = truth[sample["id"]]
        points = np.reshape(pose["keypoints"], (4, 3))
        known = points[:, 2] > 0
        away = np.linalg.norm(sample["pred_instances"]["keypoints"][0] - points[:, :2], axis=1)
        left, top, width, height = pose["bbox"]
        inside = min(left + width, 159) - left, min(top + height, 159) - top  # as MMPose clips
        near += known & (away < 0.1 * max(inside))
        there += known
    expected = np.mean(near / there)
    assert float(re.search(r" PCK: ([\d.]+)", output)[1]) == pytest.approx(expected, abs=1e-4)
    assert "coco/AP: " in output
    shown = {int(file.stem) for file in (folder / "shown").glob("*.jpg")}
    assert shown == {pose["image_id"] for pose in truth.values()}


def test_predict_names_what_predicts_with_it(trained):
    folder, _ = trained
    image = next(folder.glob("data/**/images/000000.jpg"))
    done = run_tool("predict", "wd", image, cwd=folder)
    assert done.returncode == 2
    assert "error: TopdownPoseEstimator is no detector of upright boxes" in done.stderr
    assert "MMPoseInferencer" in done.stderr
    assert "Traceback" not in done.stderr
