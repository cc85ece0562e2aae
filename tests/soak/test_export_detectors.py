"""Every kind of detector that can be exported is, by the command, which compares it itself."""

import pytest
import torch

from mmresneskt.cli import call
from tests.support.small_detectors import DETECTORS, config_of, small_detector

onnx = pytest.importorskip("onnx")


@pytest.mark.parametrize("name", DETECTORS)
def test_the_file_is_written(name, tmp_path, capsys):
    model, _ = small_detector(name)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / "w.pth")
    config, options, _ = config_of(name)
    given = [f"{key}={value}".replace(" ", "") for key, value in options.items()]
    arguments = ["--checkpoint", str(tmp_path / "w.pth"), "--out", str(tmp_path / "m.onnx")]
    call("export", [config, *arguments, "--cfg-options", *given])
    compared = int(capsys.readouterr().out.split("agrees with PyTorch on ")[1].split()[0])
    assert compared >= 100
    written = onnx.load(tmp_path / "m.onnx")
    masks = ["masks"] if name == "mask" else []
    assert [x.name for x in written.graph.output] == ["boxes", "scores", "labels", *masks]
    said = {p.key: p.value for p in written.metadata_props}
    assert said["task"] == "detection"
    assert len(said["checkpoint_sha256"]) == 64
