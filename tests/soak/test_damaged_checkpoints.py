"""The long form of checkpoint/test_damage.py: 500 damaged copies of each kind of file.

What was found goes to standard output: pytest -s.
"""

import contextlib
import hashlib
import io
import json

import cv2
import numpy as np
import pytest
import torch

from mmresneskt.cli import call, main
from mmresneskt.runtime.checkpoint import load_file
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.trained import build_model
from tests.support.damage import damaged, tally
from tests.support.damage import train as train_tiny
from tests.support.helpers import ROOT, randomize

COUNT = 500
PARCELS = ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind of file: of a run, published, and of old with and without a hash."""
    folder = tmp_path_factory.mktemp("run")
    train_tiny(folder)
    for form in ("safetensors", "pth"):
        call("publish", [str(folder / "epoch_2.pth"), "--out", str(folder), "--format", form])
    content = load_file(folder / "epoch_2.pth")
    old = folder / "old.pth"
    torch.save(content, old, _use_new_zipfile_serialization=False)
    digest = hashlib.sha256(old.read_bytes()).hexdigest()
    (folder / f"old-{digest[:8]}.pth").write_bytes(old.read_bytes())
    return folder


@pytest.mark.parametrize(
    "kind", ["epoch_2.pth", "epoch_2-*.pth", "epoch_2-*.safetensors", "old-*.pth"]
)
def test_every_kind_of_file(kind, folder, tmp_path):
    (file,) = folder.glob(kind)
    found = tally(file, tmp_path, COUNT)
    print(f"\n{kind}: {dict(found)}")
    assert found["wrong"] == 0
    assert found["refused"] > COUNT // 2


def test_the_old_format_without_a_hash(folder, tmp_path):
    """No checksum, so that damage in a weight passes; never without a warning, or a crash."""
    found = tally(folder / "old.pth", tmp_path, COUNT)
    print(f"\nold.pth: {dict(found)}")
    assert found["refused"] > COUNT // 2


def said_by(name, *arguments):
    """Exit code and standard error of a command."""
    error = io.StringIO()
    code = 0
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            main([name, *map(str, arguments)])
        except SystemExit as ended:
            code = ended.code
    lines = error.getvalue().splitlines()
    assert not any("Traceback" in line for line in lines)
    return code, [line for line in lines if line.startswith("error: ")]


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A folder with a config of a detector, its weights, and an image."""
    folder = tmp_path_factory.mktemp("detector")
    config = folder / "small.py"
    small = "model = dict(backbone=dict(depth=14, base_width=8))\n"
    config.write_text(f"_base_ = {str(PARCELS)!r}\n{small}work_dir = {str(folder / 'wd')!r}\n")
    model = randomize(build_model(load_config(str(config)), str(config)))
    meta = dict(epoch=99, iter=999, dataset_meta=dict(classes=tuple("abcdefghij")))
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})
    content = dict(state_dict=model.state_dict(), meta=meta, message_hub=hub)
    torch.save(content, folder / "w.pth")
    cv2.imwrite(str(folder / "x.png"), np.random.default_rng(0).integers(0, 255, (64, 64, 3)))
    return folder


def test_predict_at_the_command_line(detector):
    """Exit code 2 and one line, or the predictions of the whole file."""
    out = detector / "out"
    arguments = [detector / "x.png", "--config", detector / "small.py", "--out", out]

    def predicted(weights):
        (out / "predictions.json").unlink(missing_ok=True)
        code, said = said_by("predict", *arguments, "--checkpoint", weights)
        if code:
            assert (code, len(said)) == (2, 1)
            return said[0]
        return json.loads((out / "predictions.json").read_text())

    right = predicted(detector / "w.pth")
    assert isinstance(right, list)
    refused = 0
    for what, content in damaged((detector / "w.pth").read_bytes(), COUNT, seed=1):
        (detector / "bad.pth").write_bytes(content)
        found = predicted(detector / "bad.pth")
        refused += isinstance(found, str)
        assert found == right or "bad.pth" in found, what
    print(f"\npredict.py: {refused} of {COUNT} refused, the others predict the same")
    assert refused > COUNT // 2


def test_resume_at_the_command_line(detector):
    """Never a fresh start: what cannot be gone on from ends the command."""
    refused = 0
    for what, content in damaged((detector / "w.pth").read_bytes(), COUNT, seed=2):
        (detector / "bad.pth").write_bytes(content)
        try:
            load_file(detector / "bad.pth")
        except ValueError:
            arguments = [detector / "small.py", "--no-check", "--resume", detector / "bad.pth"]
            code, said = said_by("train", *arguments)
            assert (code, len(said)) == (2, 1), what
            assert "bad.pth" in said[0]
            refused += 1
    assert not list(detector.glob("wd/**/*.pth"))
    print(f"\ntrain.py --resume: {refused} of {COUNT} refused, the others are whole")
    assert refused > COUNT // 2
