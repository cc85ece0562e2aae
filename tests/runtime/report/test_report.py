"""Reports of a small detector and a small classifier, and folders of which there can be none."""

import hashlib
import html
import json
import re
import shutil
from pathlib import Path

import cv2
import pytest

from mmresneskt.cli import train
from mmresneskt.runtime import report
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.report import write_report
from tests.support.helpers import run_tool
from tests.support.small_classifier import CLASSIFIER, write_images
from tests.support.small_models import PARCELS, scene

BAD_NAME = "<script>alert(1)</script> $\\x$ & \"\n'"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two runs, ``detector``, which has its report, and ``classifier``."""
    folder = tmp_path_factory.mktemp("place")
    options = ["model.backbone.depth=14", "train_cfg.max_epochs=1", "train_cfg.val_interval=1"]
    for part, number in (("train", 8), ("val", 4), ("test", 4)):
        loader = f"{part}_dataloader"
        options += [f"{loader}.dataset.num_images={number}", f"{loader}.num_workers=0"]
        options += [f"{loader}.persistent_workers=False"]
    detector = [PARCELS, "--work-dir", "detector", "--cfg-options", *options]
    write_images(folder / "images", 3)
    (folder / "small.py").write_text(CLASSIFIER)
    classifier = ["small.py", "--work-dir", "classifier", "--no-report"]
    for command in (detector, classifier):
        result = run_tool("train", *command, cwd=folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)


def copied(name, tmp_path, change="", checkpoint=True):
    """A run's folder with its config changed, with or without a checkpoint."""
    folder = tmp_path / "run"
    ignored = None if checkpoint else shutil.ignore_patterns("*.pth", "last_checkpoint")
    shutil.copytree(name, folder, ignore=ignored)
    config = next(folder.glob("*.py"))
    config.write_text(f"{config.read_text()}\n{change}\n")
    return folder


def text_of(page):
    """What a reader sees."""
    content = re.sub(r"<style>.*?</style>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", content)).split())


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page.read_text())


def test_a_detector(place, here):
    page = Path("detector/report.html")
    text = text_of(page)
    assert headings(page) == [
        *("Curves", "Average precision", "Precision over recall", "Confusion matrix"),
        *("Worst misses", "Worst false alarms", "Data", "Speed", "Run"),
    ]
    assert "The training set: 8 images" in text
    assert "The evaluation set: 4 images" in text
    log = next(Path("detector").glob("*/vis_data/scalars.json")).read_text()
    measured = next(v for v in map(json.loads, log.splitlines()) if "coco/bbox_mAP" in v)
    assert f"{measured['coco/bbox_mAP']:.3f} AP" in text
    digest = hashlib.sha256(Path("detector/epoch_1.pth").read_bytes()).hexdigest()
    assert f"SHA-256 {digest}" in text
    assert "epoch_1.pth (epoch 1, iter 2, seed" in text
    assert re.search(r"command mmresneskt train \S*parcels.py --work-dir detector --cfg-op", text)
    assert re.search(r"\d\.\d ms per image on c\w+", text)
    assert re.search(r"versions Python [\d.]+, torch ", text)


def test_it_needs_no_other_file(place, here):
    content = Path("detector/report.html").read_text()
    assert len(content) < 10_000_000
    assert all(source.startswith("data:image/") for source in re.findall(r'src="(.{12})', content))
    assert not re.findall(r"<(script|link|iframe|object)|https?://|@import|url\(", content)


def test_a_classifier(place, here, tmp_path):
    assert not Path("classifier/report.html").exists()  # --no-report
    page = write_report("classifier", out=tmp_path / "new" / "page.html")
    text = text_of(page)
    assert headings(page) == [
        *("Curves", "Classes", "Confusion matrix", "Most confused", "Data", "Speed", "Run"),
    ]
    log = next(Path("classifier").glob("*/vis_data/scalars.json")).read_text()
    measured = next(v for v in map(json.loads, log.splitlines()) if "accuracy/top1" in v)
    assert f"{measured['accuracy/top1']:.2f} top-1 accuracy" in text
    assert re.search(r"dark 3 .* light 3 ", text)
    assert "The evaluation set: 6 images." in text
    assert not Path("classifier/report.html").exists()


@pytest.mark.parametrize(
    ("folder", "given", "message"),
    [
        ("nowhere", None, "nowhere is no work folder of a run: there is no config"),
        ("images", None, "images is no work folder of a run"),
        ("detector", "none.pth", "checkpoint none.pth does not exist"),
        ("detector", "classifier/epoch_1.pth", "classifier/epoch_1.pth does not fit config"),
    ],
)
def test_folders_and_checkpoints_that_are_none(here, folder, given, message):
    with pytest.raises(UserError, match=message):
        write_report(folder, given)


def test_no_checkpoint_and_only_damaged_ones(here, tmp_path):
    folder = copied("classifier", tmp_path, checkpoint=False)
    with pytest.raises(UserError, match="holds no checkpoint: train first, or name one"):
        write_report(folder)
    (folder / "epoch_2.pth").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"no checkpoint in .* can be read: .*epoch_2.pth"):
        write_report(folder)


def test_the_best_checkpoint_is_taken_and_a_damaged_one_passed_over(here, tmp_path):
    folder = copied("classifier", tmp_path)
    shutil.copy(folder / "epoch_1.pth", folder / "best_accuracy_top1_epoch_9.pth")
    (folder / "best_accuracy_top1_epoch_10.pth").write_bytes(b"torn")
    text = text_of(write_report(folder))
    assert "best_accuracy_top1_epoch_9.pth (epoch 1" in text
    assert re.search(r"passed over \S*best_accuracy_top1_epoch_10.pth", text)


def test_a_folder_without_evaluation_or_log(here, tmp_path):
    folder = copied("classifier", tmp_path)
    log = next(folder.glob("*/vis_data/scalars.json"))
    log.write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    assert "No evaluation was logged" in text_of(write_report(folder))
    log.unlink()
    assert "holds no log of the training" in text_of(write_report(folder))


def test_data_that_is_gone(here, tmp_path):
    gone = copied("classifier", tmp_path, "test_dataloader['dataset']['data_root'] = 'gone'")
    result = run_tool("report", gone, cwd=tmp_path)
    assert result.returncode == 2
    assert re.fullmatch(r"error: .*gone.* is missing .*\n", result.stderr.splitlines(True)[-1])
    assert "Traceback" not in result.stderr
    assert not (gone / "report.html").exists()


def test_training_data_that_is_gone_is_said(here, tmp_path):
    change = "train_dataloader['dataset'] = dict(type='CustomDataset', data_root='gone')"
    text = text_of(write_report(copied("classifier", tmp_path, change)))
    assert "The training set cannot be read" in text
    assert "The evaluation set: 6 images." in text


def test_a_classifier_without_ground_truth(here, tmp_path):
    change = "test_dataloader = dict(test_dataloader, dataset=dict(type='CustomDataset', "
    change += "data_root='images', with_label=False, pipeline=pipeline, data_prefix='dark'))"
    page = write_report(copied("classifier", tmp_path, change))
    text = text_of(page)
    assert "No ground truth: predictions only." in text
    assert "The evaluation set: 3 images, no ground truth." in text
    assert headings(page) == ["Curves", "Predictions", "Data", "Speed", "Run"]


def coco(tmp_path, objects):
    """A change of a config: it is tested on one image, with two classes."""
    cv2.imwrite(str(tmp_path / "<b>.jpg"), scene(3))
    names = [BAD_NAME, "never there"]
    document = dict(
        images=[dict(id=7, file_name="<b>.jpg", width=160, height=160)],
        categories=[dict(id=n + 4, name=name) for n, name in enumerate(names)],
        annotations=[
            dict(id=1, image_id=7, category_id=4, bbox=[9, 9, 50, 60], area=3000, iscrowd=0)
        ][:objects],
    )
    (tmp_path / "ann.json").write_text(json.dumps(document))
    return f"""
test_dataloader['dataset'] = dict(
    type='CocoDataset', ann_file={str(tmp_path / "ann.json")!r}, test_mode=True,
    data_prefix=dict(img={str(tmp_path)!r}), metainfo=dict(classes={names!r}),
    pipeline=test_pipeline)
"""


def test_a_detector_without_ground_truth(here, tmp_path):
    page = write_report(copied("detector", tmp_path, coco(tmp_path, objects=0)))
    assert "No ground truth: predictions only." in text_of(page)
    assert headings(page) == ["Curves", "Predictions", "Data", "Speed", "Run"]


def test_names_that_hold_markup_and_a_class_without_objects(here, tmp_path):
    """The model knows more classes than the data, too."""
    page = write_report(copied("detector", tmp_path, coco(tmp_path, objects=1)))
    content = page.read_text()
    assert "<script" not in content
    assert "<b>.jpg" not in content
    text = text_of(page)
    assert BAD_NAME.replace("\n", "\\n") in text
    assert re.search(r"never there 0 – – – – – –", text)


def test_data_of_several_labels_is_refused(here, tmp_path):
    Path(tmp_path, "labels.json").write_text(
        json.dumps(
            dict(
                metainfo=dict(classes=["dark", "light"]),
                data_list=[dict(img_path="dark/0.png", gt_label=[0, 1])],
            )
        )
    )
    change = "test_dataloader['dataset'] = dict(type='MultiLabelDataset', pipeline=pipeline, "
    change += f"data_root='images', ann_file={str(tmp_path / 'labels.json')!r})"
    with pytest.raises(UserError, match="several classes each"):
        write_report(copied("classifier", tmp_path, change))


def test_a_report_that_fails_does_not_fail_the_run(here, monkeypatch, capsys):
    def fail(*args):
        raise RuntimeError("of\nanything")

    monkeypatch.setattr(report, "write_report", fail)
    train._write_report("classifier")
    assert capsys.readouterr().err == "no report: of anything\n"


def test_a_run_that_did_not_evaluate_has_none(here, monkeypatch, tmp_path):
    folder = copied("classifier", tmp_path)
    next(folder.glob("*/vis_data/scalars.json")).write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    train._write_report(str(folder))
    assert not (folder / "report.html").exists()


def test_a_page_that_cannot_be_written(here, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="the report cannot be written: "):
        write_report("classifier", out=tmp_path / "file" / "page.html")
