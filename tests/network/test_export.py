"""Exported networks compute the same, for other batches and sizes than the traced one."""

import json
import sys

import pytest
import torch
from torch import nn

import mmresneskt
from mmresneskt import ResNeSkt
from mmresneskt.cli import call
from mmresneskt.runtime.building import build
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.onnx.features import compare, export
from tests.support.helpers import ROOT, not_on_torch_2_1, randomize, run_tool

onnxruntime = pytest.importorskip("onnxruntime")
CLASSIFIER = str(ROOT / "configs" / "resneskt_parcels10.py")
DETECTOR = str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py")
SMALL = dict(depth=14, base_channels=16, stem_channels=16)


def small(**arguments):
    torch.manual_seed(0)
    return randomize(ResNeSkt(**{**SMALL, **arguments})).eval()


def run(file, x):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(out) for out in session.run(None, {"images": x.numpy()})]


def assert_close(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.mark.parametrize(
    "arguments",
    [
        dict(),
        dict(cardinality=4, spatial_groups=2, spatial_kernels=(1, 3, 7), gem_trainable=True),
        dict(cardinality=2, spatial_share_kernels=False, avd_first=False, radix=1),
        dict(spatial_attention=False, avg_down=False, deep_stem=False),
    ],
)
def test_a_backbone_in_onnx_gives_the_same_maps(arguments):
    model = small(**arguments)
    images = torch.randn(2, 3, 64, 96)
    data = export(mmresneskt.deploy(model), images, 17, {})
    with torch.no_grad():
        for shape in [(1, 3, 33, 50), (3, 3, 97, 64), (2, 3, 32, 32)]:
            x = torch.randn(shape)
            assert_close(run(data, x), model(x))


def test_of_a_detector_its_backbone_is_exported(tmp_path, capsys):
    pytest.importorskip("mmdet")
    options = ("--backbone-only", "--cfg-options", "model.backbone.depth=14")
    call("export", [DETECTOR, "--out", str(tmp_path / "b.onnx"), *options])
    said = capsys.readouterr().out
    assert "of FasterRCNN its backbone is exported, ResNeSkt" in said
    assert "differs from PyTorch by" in said
    assert [path.name for path in tmp_path.iterdir()] == ["b.onnx"]
    outs = run(str(tmp_path / "b.onnx"), torch.randn(1, 3, 70, 90))
    assert [tuple(out.shape[1:]) for out in outs] == [
        *((256, 18, 23), (512, 9, 12), (1024, 5, 6), (2048, 3, 3))
    ]


@not_on_torch_2_1("writes ReduceMean of opset 17 into opset 18")
def test_a_trained_classifier_keeps_its_weights_classes_and_normalisation(tmp_path):
    import onnx

    pytest.importorskip("mmpretrain")
    cfg = load_config(CLASSIFIER)
    model = randomize(build(cfg, cfg.model)).eval()
    meta = dict(dataset_meta=dict(classes=tuple("abcdefghij")))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / "w.pth")
    out = tmp_path / "new" / "c.onnx"
    arguments = ("--checkpoint", str(tmp_path / "w.pth"), "--backbone-only", "--opset", "18")
    call("export", [CLASSIFIER, *arguments, "--out", str(out)])
    x = torch.randn(5, 3, 51, 40)
    with torch.no_grad():
        assert_close(run(str(out), x), [model(x)])
    written = onnx.load(out)
    onnx.checker.check_model(written, full_check=True)
    assert written.opset_import[0].version == 18
    assert [output.name for output in written.graph.output] == ["logits"]
    assert not any(node.op_type == "BatchNormalization" for node in written.graph.node)
    said = {p.key: p.value for p in written.metadata_props}
    assert json.loads(said["mean"]) == pytest.approx(list(cfg.data_preprocessor.mean))
    assert json.loads(said["classes"]) == list("abcdefghij")
    assert said["channels"] == "RGB"


class Frozen(nn.Module):
    """Keeps the number of images that it was traced with."""

    def forward(self, x):
        return x.mean((2, 3)) * torch.ones(len(x)).sum()


def test_a_file_that_computes_something_else_is_not_written():
    images = torch.randn(2, 3, 8, 8)
    data = export(Frozen(), images, 17, {})
    assert compare(data, Frozen(), [images])[0] < 1e-6
    with pytest.raises(UserError, match="differs from PyTorch by .* nothing is written"):
        compare(data, Frozen(), [images, torch.randn(3, 3, 8, 8)])


class Nan(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) * float("nan")


def test_what_cannot_be_compared_is_not_written():
    images = torch.randn(2, 3, 8, 8)
    with pytest.raises(UserError, match="differs from PyTorch by nan"):
        compare(export(Nan(), images, 17, {}), Nan(), [images])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--opset", "16"], None),
        (["--opset", "99"], "PyTorch cannot export this model: .*99"),
        (["--backbone", "resnext50x"], "no backbone 'resnext50x'"),
    ],
)
def test_mistakes_are_one_line(arguments, text, tmp_path, capsys):
    command = [CLASSIFIER, "--out", str(tmp_path / "c.onnx"), "--shape", "32", "32", *arguments]
    with pytest.raises(SystemExit if text is None else UserError, match=text):
        call("export", command)
    assert text or "16 is not allowed: give at least 17" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_script_ends_with_exit_code_2(tmp_path):
    result = run_tool("export", CLASSIFIER, "--out", "c", "--checkpoint", "w", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (2, "error: checkpoint w does not exist\n")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_what_is_missing_is_named_with_the_command(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match="pip install onnx onnxruntime"):
        call("export", [CLASSIFIER, "--out", "c.onnx"])


@pytest.mark.skipif(torch.__version__ < "2.5", reason="torch.export has another signature")
def test_torch_export_leaves_batch_and_size_open():
    """In steps of 32: PyTorch's export takes no pooling, not even ResNet's, with any size."""
    from torch.export import Dim, export

    model = small()
    sides = {2: 32 * Dim("h", min=2, max=64), 3: 32 * Dim("w", min=2, max=64)}
    program = export(
        mmresneskt.deploy(model),
        (torch.randn(2, 3, 96, 64),),
        dynamic_shapes=({0: Dim("batch"), **sides},),
    )
    for shape in [(1, 3, 64, 128), (3, 3, 160, 96)]:
        x = torch.randn(shape)
        with torch.no_grad():
            assert_close(program.module()(x), model(x))


def test_a_deployed_classifier_compiles_without_graph_breaks():
    pytest.importorskip("mmpretrain")
    cfg = load_config(CLASSIFIER)
    model = randomize(build(cfg, cfg.model)).eval()
    compiled = torch.compile(mmresneskt.deploy(model), fullgraph=True, backend="eager")
    x = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        assert_close([compiled(x)], [model(x)])
