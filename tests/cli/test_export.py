"""mmresneskt export writes whole models, and predict reads them without torch."""

import hashlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import mmresneskt
from mmresneskt.cli import call
from mmresneskt.runtime.decoding import read_image, read_rgb
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import ROOT
from tests.support.small_models import CLASSES, CLASSIFIER, PARCELS, TINY, save_model, scene

onnxruntime = pytest.importorskip("onnxruntime")
ALONE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("torch", "mm")) and name.partition(".")[0] != "mmresneskt":
            raise ImportError(f"{name} is imported")
sys.meta_path.insert(0, Blocked())
sys.modules.update(dict.fromkeys(("cv2", "matplotlib", "onnx", "jinja2", "scipy")))
sys.argv = ["mmresneskt", *sys.argv[1:]]
from mmresneskt.cli import main
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, the weights of a detector, and the file exported from it."""
    folder = tmp_path_factory.mktemp("exported")
    meta = dict(classes=CLASSES, cat_ids=list(range(11, 21)))
    save_model(folder / "w.pth", meta=meta)
    (folder / "in").mkdir()
    for seed, size in enumerate(((160, 160), (200, 120), (133, 171))):
        cv2.imwrite(str(folder / "in" / f"{seed}.png"), scene(seed, *size))
    (folder / "in" / "broken.png").write_bytes(b"no image")
    arguments = ["--checkpoint", str(folder / "w.pth"), "--out", str(folder / "m.onnx")]
    call("export", [PARCELS, *arguments, *TINY])
    return folder


def alone(folder, *arguments):
    """The command with NumPy, Pillow and onnxruntime alone."""
    command = [sys.executable, "-c", ALONE, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_predict_needs_neither_torch_nor_an_mm_library(folder):
    result = alone(
        folder, *["predict", "in/*.png", "--model", "m.onnx", "--out", "onnx", "--score-thr", "0.1"]
    )
    assert result.stderr.splitlines() == [
        "skipped in/broken.png: not an image in JPEG, PNG, BMP, GIF, PPM, TIFF or WEBP",
        "error: 1 of 4 images cannot be read; the others are done",
    ]
    assert "4/4" in result.stdout
    assert result.returncode == 2
    given = ["--config", PARCELS, "--checkpoint", str(folder / "w.pth"), "--out"]
    images = [str(folder / "in" / f"{i}.png") for i in range(3)]
    call("predict", [*images, *given, str(folder / "torch"), "--device", "cpu", *TINY])
    ours, theirs = (
        json.loads((folder / name / "predictions.json").read_text()) for name in ("onnx", "torch")
    )
    assert len(ours) == len(theirs) == 300
    assert {e["category_id"] for e in ours} <= set(range(11, 21))
    for number in range(3):
        found, expected = ([e for e in x if e["image_id"] == number] for x in (ours, theirs))
        boxes, wanted = (np.array([e["bbox"] for e in x]) for x in (found, expected))
        apart = np.abs(boxes[:, None] - wanted).max(2)
        kinds, known = (np.array([e["category_id"] for e in x]) for x in (found, expected))
        assert np.where(kinds[:, None] == known, apart, np.inf).min(0).max() < 0.05
        scores, said = (np.array([e["score"] for e in x]) for x in (found, expected))
        assert np.abs(scores - said).max() < 1e-4
        assert set(found[0]) == set(expected[0])
    drawn = cv2.imread(str(folder / "onnx" / "0.png")).astype(int)
    assert np.abs(drawn - cv2.resize(scene(0), (480, 480))).max() > 100


def test_the_file_says_what_it_is(folder):
    session = onnxruntime.InferenceSession(folder / "m.onnx")
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == CLASSES
    assert (said["task"], said["score_threshold"]) == ("detection", "0.05")
    assert said["mmresneskt"] == mmresneskt.__version__
    assert said["checkpoint_sha256"] == hashlib.sha256((folder / "w.pth").read_bytes()).hexdigest()
    assert [x.name for x in session.get_outputs()] == ["boxes", "scores", "labels"]
    assert session.get_inputs()[0].shape == ["height", "width", 3]


def test_the_graph_says_that_a_box_has_four_sides(folder):
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(folder / "m.onnx")).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    boxes = [node.input[0] for node in graph.node if node.op_type == "NonMaxSuppression"]
    assert [shapes[name][2].dim_value for name in boxes] == [4, 4]


def test_a_classifier_gives_the_probabilities_of_an_image(tmp_path):
    from mmpretrain.apis import ImageClassificationInferencer, get_model

    from mmresneskt.runtime.config.load import load_config

    options = {
        "test_dataloader.dataset.pipeline": [
            dict(type="LoadImageFromFile"),
            dict(type="ResizeEdge", scale=64, edge="short"),
            dict(type="CenterCrop", crop_size=56),
            dict(type="PackInputs"),
        ]
    }
    save_model(tmp_path / "w.pth", CLASSIFIER, dict(classes=CLASSES))
    config = tmp_path / "c.py"
    config.write_text(
        f"_base_ = {CLASSIFIER!r}\ntest_dataloader = dict(dataset=dict(pipeline="
        f"{options['test_dataloader.dataset.pipeline']!r}))\n"
    )
    arguments = ["--checkpoint", str(tmp_path / "w.pth"), "--out", str(tmp_path / "c.onnx")]
    call("export", [str(config), *arguments])
    model = get_model(load_config(str(config)), str(tmp_path / "w.pth"), device="cpu")
    inferencer = ImageClassificationInferencer(model)
    session = onnxruntime.InferenceSession(tmp_path / "c.onnx")
    for seed, size in enumerate(((160, 100), (70, 90))):
        image = scene(seed, *size)
        (found,) = session.run(None, {"image": np.ascontiguousarray(image[..., ::-1])})
        expected = inferencer(image)[0]["pred_scores"]
        np.testing.assert_allclose(found[0], expected, atol=1e-5)
        cv2.imwrite(str(tmp_path / "x.png"), image)
        folder = str(tmp_path / "out")
        file = str(tmp_path / "c.onnx")
        call("predict", [str(tmp_path / "x.png"), "--model", file, "--out", folder])
        (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())
        assert entry["category_id"] == expected.argmax()
        assert entry["score"] == pytest.approx(expected.max(), abs=1e-5)
        assert entry["bbox"] == [0, 0, *size]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (["--no-preprocess"], ["batch", 3, "height", "width"]),
        (["--no-preprocess", "--batch", "3", "--shape", "40", "48"], [3, 3, 40, 48]),
        (["--backbone-only", "--batch", "2"], [2, 3, "height", "width"]),
        (["--shape", "60", "70"], [60, 70, 3]),
    ],
)
def test_what_is_open_and_what_is_fixed(options, shape, tmp_path):
    call("export", [CLASSIFIER, "--out", str(tmp_path / "c.onnx"), *options])
    session = onnxruntime.InferenceSession(tmp_path / "c.onnx")
    assert session.get_inputs()[0].shape == shape
    name = "logits" if "--backbone-only" in options else "probabilities"
    assert session.get_outputs()[0].name == name


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--batch", "2"], "--batch 2: a detector, and a classifier"),
        (["--images", str(ROOT / "mkdocs.yml")], "--images .*mkdocs.yml: not an image"),
    ],
)
def test_what_cannot_be_exported_is_one_line(options, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=text):
        call("export", [PARCELS, "--out", "x.onnx", *options, *TINY])
    assert not list(tmp_path.iterdir())


def test_a_config_without_test_images_is_one_line(tmp_path):
    config = tmp_path / "c.py"
    config.write_text(f"_base_ = {PARCELS!r}\ntest_dataloader = test_evaluator = test_cfg = None\n")
    with pytest.raises(UserError, match=r"c\.py: the config has no test_dataloader"):
        call("export", [str(config), "--out", str(tmp_path / "x.onnx"), *TINY])


def test_mistakes_with_a_model_are_one_line(folder):
    call("export", [PARCELS, "--backbone-only", "--out", str(folder / "b.onnx"), *TINY])
    (folder / "text.onnx").write_text("no model")
    for arguments, text in (
        (["--model", "none.onnx"], "error: --model none.onnx does not exist"),
        (["--model", "text.onnx"], "error: --model text.onnx: "),
        (["--model", "b.onnx"], "error: --model b.onnx takes no image as it is"),
        (["--model", "m.onnx", "--config", "c"], "error: --config does not go with --model"),
    ):
        result = alone(folder, "predict", "in/0.png", *arguments)
        assert result.returncode == 2
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith(text)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "1"])
def test_pillow_reads_what_opencv_reads(mode, tmp_path):
    image = Image.fromarray(scene(3, 90, 60)[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6
    image.convert(mode).save(tmp_path / "x.png", exif=exif)
    read = read_rgb(tmp_path / "x.png")
    assert read.shape == (90, 60, 3)
    np.testing.assert_array_equal(read, read_image(tmp_path / "x.png")[..., ::-1])


def test_of_16_bits_both_read_the_upper_8(tmp_path):
    values = np.arange(4000, dtype=np.uint16).reshape(50, 80) * 16
    cv2.imwrite(str(tmp_path / "x.png"), values)
    read = read_rgb(tmp_path / "x.png").astype(int)
    assert np.abs(read - read_image(tmp_path / "x.png")).max() <= 1
    assert torch.tensor(read).max() > 240
