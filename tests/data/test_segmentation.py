"""The generated parcels with masks: what trains on them, and how it is evaluated."""

import pickle
import re

import cv2
import numpy as np
import pytest

from mmresneskt.data.parcels import KINDS
from tests.support.embedded import train_and_test
from tests.support.helpers import run_tool

pytest.importorskip("mmseg")
FEW = [f"{part}_dataloader.dataset.num_images=6" for part in ("train", "val", "test")]
FEW += ["max_epochs=1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segmentation")
    _, output = train_and_test(folder, "upernet_resneskt_parcels.py", FEW)
    return folder, output


def test_the_measure_is_the_mean_over_kinds_of_intersection_over_union(trained):
    folder, output = trained
    found = pickle.loads((folder / "found.pkl").read_bytes())
    assert len(found) == 6
    both, either = np.zeros((2, 1 + len(KINDS)))
    for sample in found:
        labels = cv2.imread(str(folder / sample["seg_map_path"]), cv2.IMREAD_UNCHANGED)
        image = sample["pred_sem_seg"]["data"].numpy()[0]
        for kind in range(1 + len(KINDS)):
            ours, theirs = image == kind, labels == kind
            both[kind] += (ours & theirs).sum()
            either[kind] += (ours | theirs).sum()
    expected = 100 * np.mean(both[either > 0] / either[either > 0])
    assert float(re.search(r" mIoU: ([\d.]+)", output)[1]) == pytest.approx(expected, abs=0.01)
    assert len([*(folder / "shown").glob("*.jpg")]) == 6


def test_a_segmentor_shows_its_attention_and_predict_names_what_predicts_with_it(trained):
    folder, _ = trained
    image = next(folder.glob("data/**/images/000000.jpg"))
    done = run_tool("attention", "wd", image, cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run_tool("predict", "wd", image, cwd=folder)
    assert done.returncode == 2
    assert "error: EncoderDecoder is no detector of upright boxes and no classifier" in done.stderr
    assert "MMSegInferencer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_has_the_measures_of_the_run(trained):
    folder, output = trained
    text = re.sub(r"<[^>]*>", " ", (folder / "wd" / "report.html").read_text())
    text = " ".join(text.split())
    measured = {n: float(value) for n, value in re.findall(r" (mIoU|aAcc): ([\d.]+)", output)}
    assert f"{measured['mIoU']:.2f} mIoU, %" in text
    assert f"{measured['aAcc']:.2f} pixels of the right class, %" in text
    by_class = re.findall(r"\| +(\w+) +\| +([\d.]+|nan) +\| +([\d.]+|nan) +\|", output)
    assert [name for name, *_ in by_class] == ["belt", *KINDS]
    for name, overlap, recall in by_class:
        shown = re.search(rf" {name} \d+ (\S+) \S+ (\S+) ", text).groups()
        for ours, theirs in zip(shown, (overlap, recall)):
            if ours == "–":
                assert theirs == "nan"
            else:
                assert 100 * float(ours) == pytest.approx(float(theirs), abs=0.06)
    assert "The training set: 6 images, 6 of them with a class for each pixel." in text
    assert "Confusion matrix" in text


def test_masks_are_trained_on_and_evaluated(tmp_path):
    few = [option for option in FEW if "num_images" in option or "epochs" in option]
    options = ["--work-dir", "wd", "--no-report", "--cfg-options", *few]
    done = run_tool("train", "mmresneskt::mask_rcnn_resneskt_parcels.py", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loss_mask: " in done.stdout
    assert "coco/segm_mAP: " in done.stdout
