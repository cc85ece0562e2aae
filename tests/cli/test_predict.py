"""tools/predict.py: its boxes are MMDetection's, whatever the images are."""

import json
import os

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmengine.dataset import BaseDataset
from mmpretrain.apis import ImageClassificationInferencer, get_model
from PIL import Image

from mmresneskt.cli import call
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.pictures import boxes
from mmresneskt.runtime.pictures.boxes import draw_boxes
from mmresneskt.runtime.pictures.detections import draw_detections
from mmresneskt.runtime.trained import load_weights
from tests.support.helpers import ROOT, run_tool
from tests.support.small_models import CLASSES, CLASSIFIER, DEPTH, PARCELS, TINY, save_model, scene

VOC = str(ROOT / "configs" / "faster_rcnn_resneskt50_voc.py")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("w") / "w.pth", meta=dict(classes=CLASSES))


@pytest.fixture(scope="module")
def detector(weights):
    return init_detector(load_config(PARCELS, DEPTH), weights, palette="random", device="cpu")


@pytest.fixture(scope="module")
def predicted(tmp_path_factory, weights):
    """A run on all sorts of images."""
    folder = tmp_path_factory.mktemp("run")
    for name in ("a", "b"):
        (folder / "in" / name).mkdir(parents=True)
    cv2.imwrite(str(folder / "in/a/x.png"), scene(1))
    cv2.imwrite(str(folder / "in/b/x.png"), scene(2, 200, 120))
    image = Image.fromarray(scene(3, 180, 120)[..., ::-1])
    image.convert("L").save(folder / "in/a/grey.jpg")
    image.convert("CMYK").save(folder / "in/a/cmyk.jpg")
    image.convert("RGBA").save(folder / "in/a/alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image.save(folder / "in/a/turned.jpg", exif=exif)
    (folder / "in/a/broken.jpg").write_bytes(b"no image")
    (folder / "in/a/cut.png").write_bytes((folder / "in/a/x.png").read_bytes()[:4000])
    os.mkfifo(folder / "in/a/pipe.jpg")
    (folder / "in/a/notes.txt").write_text("no image either")
    arguments = ["in/a", "in/*/x.png", "--config", PARCELS, "--checkpoint", weights]
    arguments += ["--out", "out", "--score-thr", "0.1", *TINY]
    return folder, run_tool("predict", *arguments, cwd=folder)


def test_the_boxes_are_those_of_inference_detector(predicted, detector):
    folder, result = predicted
    entries = json.loads((folder / "out/predictions.json").read_text())
    names = ["alpha.png", "cmyk.jpg", "grey.jpg", "turned.jpg", "x.png"]
    paths = [*(f"in/a/{name}" for name in names), "in/b/x.png"]
    assert {e["file_name"] for e in entries} <= set(paths)
    numbers = {e["file_name"]: e["image_id"] for e in entries}
    assert len(set(numbers.values())) == len(numbers)
    total = 0
    for path in paths:
        expected = inference_detector(detector, str(folder / path)).pred_instances
        mine = [e for e in entries if e["file_name"] == path]
        assert len(mine) == len(expected) > 0
        total += len(mine)
        assert [e["category_id"] for e in mine] == expected.labels.tolist()
        torch.testing.assert_close(torch.tensor([e["score"] for e in mine]), expected.scores)
        boxes = torch.tensor([e["bbox"] for e in mine])
        boxes[:, 2:] += boxes[:, :2]
        torch.testing.assert_close(boxes, expected.bboxes, atol=1e-3, rtol=1e-4)
    assert len(entries) == total
    assert f"{total} boxes in 6 images" in result.stdout
    assert "9/9" in result.stdout  # of the progress bar


def test_one_picture_for_each_image_under_its_name(predicted):
    folder, _ = predicted
    pictures = {str(p.relative_to(folder / "out")) for p in (folder / "out").rglob("*.*g")}
    names = ("alpha.png", "cmyk.jpg", "grey.jpg", "turned.jpg", "x.png")
    assert pictures == {*(f"a/{name}" for name in names), "b/x.png"}
    assert cv2.imread(str(folder / "out/b/x.png")).shape == (360, 600, 3)
    turned = cv2.imread(str(folder / "out/a/turned.jpg"))
    assert turned.shape == (540, 360, 3)  # upright
    plain = cv2.resize(scene(1), (480, 480))
    drawn = cv2.imread(str(folder / "out/a/x.png"))
    assert np.abs(drawn.astype(int) - plain).max() > 100


def test_unreadable_images_are_skipped_named_and_counted(predicted):
    _, result = predicted
    assert "skipped in/a/broken.jpg: not an image" in result.stderr
    assert "skipped in/a/cut.png: " in result.stderr
    assert "skipped in/a/pipe.jpg: it is no regular file" in result.stderr
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last == "error: 3 of 9 images cannot be read; the others are done"
    assert "notes.txt" not in result.stderr
    assert "Traceback" not in result.stderr


def run(folder, weights, *arguments, config=PARCELS):
    """predict.py in this process; returns its entries."""
    command = [str(folder / "*.png"), "--config", config, "--checkpoint", weights]
    call("predict", [*command, "--out", str(folder / "out"), "--device", "cpu", *arguments])
    return entries_of(folder)


def entries_of(folder):
    return json.loads((folder / "out" / "predictions.json").read_text())


def test_what_is_done_is_kept_when_the_run_ends_early(tmp_path, weights, monkeypatch):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), scene(i))
    drawn = []

    def draw_two(image, *_):
        drawn.append(image)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return image

    monkeypatch.setattr(boxes, "draw_boxes", draw_two)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, weights, *TINY)
    assert {entry["image_id"] for entry in entries_of(tmp_path)} >= {0, 1}


def test_batches_find_the_same(tmp_path, weights):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), scene(i))
    (tmp_path / "1b.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="1 of 4 images"):
        run(tmp_path, weights, *TINY)
    one = entries_of(tmp_path)
    with pytest.raises(UserError, match="1 of 4 images"):
        run(tmp_path, weights, "--batch-size", "2", *TINY)
    two = entries_of(tmp_path)
    assert [e["image_id"] for e in one] == [e["image_id"] for e in two]
    assert {e["image_id"] for e in one} == {0, 1, 3}  # in the order given
    scores = ([e["score"] for e in entries] for entries in (one, two))
    np.testing.assert_allclose(*scores, atol=1e-5)


@pytest.mark.parametrize(
    ("meta", "name", "ids"),
    [
        (dict(classes=CLASSES), "kind ", range(10)),
        (dict(classes=CLASSES, cat_ids=list(range(50, 60))), "kind ", range(50, 60)),
        (dict(classes=CLASSES[:0]), "", range(10)),
        (dict(CLASSES=[dict(id=1, name=name) for name in CLASSES]), "kind ", range(10)),
    ],
    ids=["of the checkpoint", "with ids", "of the config", "categories, as MMPose writes"],
)
def test_names_and_ids_of_the_classes(meta, name, ids, tmp_path, monkeypatch, weights):
    from mmresneskt.data.parcels import KINDS

    cv2.imwrite(str(tmp_path / "x.png"), scene())
    document = torch.load(weights, weights_only=True)
    document["meta"]["dataset_meta"] = meta
    torch.save(document, tmp_path / "w.pth")
    texts = []
    monkeypatch.setattr(boxes, "draw_boxes", lambda image, b, c, t: texts.extend(t) or image)
    monkeypatch.chdir(tmp_path)
    entries = run(tmp_path, "w.pth", "--score-thr", "0", *TINY)
    names = CLASSES if name else list(KINDS)
    assert texts == [f"{names[ids.index(e['category_id'])]} {e['score']:.2f}" for e in entries]
    assert len(texts) > 0
    assert not (tmp_path / "data").exists()  # no dataset was made for its names


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        (dict(classes=5), r"checkpoint w\.pth: .* classes: 5 is not allowed"),
        (dict(classes="abc"), "classes: 'abc' is not allowed"),
        (dict(classes=[["a"]] * 10), "classes: .* is not allowed"),
        (dict(classes=CLASSES, cat_ids=5), "cat_ids: 5 is not allowed"),
        (dict(classes=CLASSES, cat_ids={1: 2}), "cat_ids: {1: 2} is not allowed"),
        (dict(classes=CLASSES, cat_ids=torch.arange(9)), "9 cat_ids for 10 classes"),
        (dict(classes=CLASSES[:1], cat_ids=[7]), "has 1 cat_ids, and the model finds class "),
    ],
)
def test_names_and_ids_that_are_none(meta, text, tmp_path, monkeypatch, weights):
    cv2.imwrite(str(tmp_path / "x.png"), scene())
    document = torch.load(weights, weights_only=True)
    document["meta"]["dataset_meta"] = meta
    torch.save(document, tmp_path / "w.pth")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=text):
        run(tmp_path, "w.pth", *TINY)


def test_classes_of_a_voc_folder_come_from_the_checkpoint(tmp_path):
    options = {"model.roi_head.bbox_head.num_classes": 2}
    weights = save_model(tmp_path / "w.pth", VOC, dict(classes=["cat", "dog"]), **options)
    cv2.imwrite(str(tmp_path / "x.png"), scene(0, 96, 64))
    entries = run(tmp_path, weights, *TINY, config=VOC)  # data/VOC is not there
    assert {e["category_id"] for e in entries} <= {0, 1}
    assert len(entries) > 0


def test_a_classifier_says_one_class_of_a_whole_image(tmp_path):
    weights = save_model(tmp_path / "w.pth", CLASSIFIER, dict(classes=CLASSES))
    cv2.imwrite(str(tmp_path / "x.png"), scene(0, 96, 64))
    (entry,) = run(tmp_path, weights, *TINY, config=CLASSIFIER)
    assert entry["bbox"] == [0, 0, 96, 64]
    model = get_model(load_config(CLASSIFIER, DEPTH), weights, device="cpu")
    (theirs,) = ImageClassificationInferencer(model)(str(tmp_path / "x.png"))
    assert entry["category_id"] == theirs["pred_label"]
    assert entry["score"] == pytest.approx(theirs["pred_score"], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(images=["nothing"]), "nothing does not exist"),
        (dict(images=["no*.jpg"]), r"no\*\.jpg matches no file"),
        (dict(images=["empty"]), r"folder empty holds no image.*\*\*"),
        (dict(images=["broken.jpg"]), "none of the 1 images can be read"),
        (dict(checkpoint="none.pth"), r"checkpoint none\.pth does not exist"),
        (dict(checkpoint="broken.jpg"), r"broken\.jpg is no checkpoint"),
        (dict(checkpoint="list.pth"), r"list\.pth holds a list, not weights"),
        (dict(config="nothing.py"), r"config nothing\.py does not exist"),
        (dict(checkpoint="other.pth"), "does not fit .*none of the model's"),
        (dict(options=["model.backbone.depth=26"]), r"[1-9]\d* of the model's .*layer1\.1"),
        (dict(options=["model.backbone.depth=51"]), "depth=51"),
        (dict(options=["test_dataloader.dataset.pipeline=[]"]), "no test_dataloader"),
        (dict(more=["--device", "tpu9"]), "--device tpu9"),
        (dict(more=["--backbone", "resnet5"]), "--backbone resnet5"),
        (dict(more=["--out", "broken.jpg"]), "--out"),
        (dict(more=["--out", "."]), r"would replace x\.png"),
    ],
)
def test_mistakes(change, text, tmp_path, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    cv2.imwrite("x.png", scene())
    torch.save({"state_dict": {"a": torch.zeros(1)}}, "other.pth")
    torch.save([torch.zeros(1)], "list.pth")
    arguments = [*change.get("images", ["x.png"]), "--config", change.get("config", PARCELS)]
    arguments += ["--checkpoint", change.get("checkpoint", weights), *change.get("more", ())]
    options = ["--cfg-options", *change.get("options", TINY[1:])]
    with pytest.raises(UserError, match=text) as caught:
        call("predict", [*arguments, *options])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "predictions" / "predictions.json").exists()


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    result = run_tool("predict", "x", "--config", PARCELS, "--checkpoint", "w", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == "error: x does not exist"
    assert "Traceback" not in result.stderr


def test_boxes_are_drawn_where_they_are():
    image = np.full((500, 600, 3), 90, np.uint8)
    picture = draw_boxes(image, [(100, 200, 300, 400)], [1], ["dog 0.90"])
    assert picture.shape == image.shape
    changed = (picture != image).any(2)
    assert changed[200:400, 100].all()
    assert changed[400, 100:300].all()
    assert not changed[210:390, 110:290].any()
    assert not changed[410:].any()
    assert changed[180:199, 105:140].any()  # the name, above
    small = draw_boxes(image[:50, :80], torch.tensor([[10.0, 10, 40, 40]]), torch.tensor([0]), "a")
    assert small.shape == (300, 480, 3)
    assert (small[60:240, 60] != 90).any(1).all()


def test_no_boxes_leave_the_image_as_it_is():
    image = scene(0, 500, 400)
    np.testing.assert_array_equal(draw_boxes(image, torch.zeros(0, 4), torch.zeros(0), []), image)


class Few(BaseDataset):
    METAINFO = dict(classes=CLASSES)

    def load_data_list(self):
        return [dict(img_path=self.ann_file, img_id=0, instances=[])]


def test_detections_of_fewer_images_than_fit_into_the_picture(tmp_path, detector):
    cv2.imwrite(str(tmp_path / "x.png"), scene())
    pipeline = detector.cfg.test_dataloader.dataset.pipeline
    dataset = Few(str(tmp_path / "x.png"), pipeline=pipeline, test_mode=True)
    file = draw_detections(detector, dataset, tmp_path / "d.png")
    assert cv2.imread(str(file)).shape[1] == 300  # one column


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (dict(weight=torch.empty(2, 3, device="meta")), "a.pth: .*meta"),  # fits, cannot be loaded
        (dict(weight=torch.ones(3, 2)), "1 of .* 2 entries .*; weight does not"),
        (dict(weight="text"), "1 of .*; weight does not"),
        (dict(more=torch.ones(())), "checkpoint's 3 .*; more does not"),
    ],
)
def test_weights_that_do_not_fit_are_never_left_out(change, text):
    given = {**torch.nn.Linear(3, 2).state_dict(), **change}
    with pytest.raises(UserError, match=text):
        load_weights(torch.nn.Linear(3, 2), given, "a.pth", "a.py")
