"""What tools/publish.py writes is read wherever a checkpoint is, and is what was trained."""

import hashlib
import json
import random

import cv2
import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import load_file as load_safetensors
from safetensors.torch import save_file as save_safetensors
from torch import nn

from mmresneskt import ResNeSkt
from mmresneskt.cli import call
from mmresneskt.runtime.checkpoint import CheckpointError, load_file, require_resumable
from mmresneskt.runtime.checkpoint.published import published_bytes
from mmresneskt.runtime.checkpoint.safetensors_file import safetensors_bytes
from mmresneskt.runtime.errors import UserError
from tests.support.damage import train as train_tiny
from tests.support.helpers import NOT_DENSE, ROOT, not_on_torch_2_1, randomize, run_tool

PARCELS = ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"


def published(folder):
    """The one file of weights in a folder."""
    (file,) = (p for p in folder.iterdir() if p.suffix != ".md")
    return file


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    """A run with averaged weights: its folder, and the averages."""
    folder = tmp_path_factory.mktemp("run")
    runner = train_tiny(folder, hooks=[dict(type="EMAHook", momentum=0.3)])
    (hook,) = (h for h in runner.hooks if hasattr(h, "ema_model"))
    return folder, hook.ema_model.module.state_dict(), runner.model.state_dict()


@pytest.mark.parametrize("form", ["safetensors", "pth"])
def test_the_averaged_weights_under_their_hash(form, averaged, tmp_path, capsys):
    folder, averages, last = averaged
    arguments = [str(folder / "epoch_2.pth"), "--out", str(tmp_path), "--format", form]
    call("publish", arguments)
    file = published(tmp_path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.name == f"epoch_2-{digest[:8]}.{form}"
    assert capsys.readouterr().out.split() == [str(file), str(file.with_suffix(".md"))]
    loaded = load_file(file)
    assert loaded.keys() == {"state_dict", "meta"}
    # the hook averages parameters; the statistics of the norms are the last
    parameters = dict(averages)
    assert loaded["state_dict"].keys() == parameters.keys()
    for key, value in loaded["state_dict"].items():
        torch.testing.assert_close(value, parameters[key], rtol=0, atol=0)
    assert not torch.equal(loaded["state_dict"]["layers.0.weight"], last["layers.0.weight"])
    card = file.with_suffix(".md").read_text()
    assert digest in card
    assert "averaged over the training (EMA), epoch 2, iteration 4" in card

    call("publish", arguments)
    call("publish", [str(file), "--out", str(tmp_path), "--format", form])
    assert published(tmp_path) == file  # the same bytes again, and again of themselves
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest


def test_averages_that_timm_keeps_apart(tmp_path):
    last, average = torch.zeros(3, dtype=torch.float16), torch.ones(3, dtype=torch.float16)
    checkpoint = dict(state_dict=dict(w=last), state_dict_ema={"module.w": average}, optimizer={})
    torch.save(checkpoint, tmp_path / "model.pth.tar")
    call("publish", [str(tmp_path / "model.pth.tar"), "--out", str(tmp_path / "out")])
    found = load_safetensors(published(tmp_path / "out"))  # by safetensors' own reader
    assert found.keys() == {"w"}
    assert found["w"].dtype == torch.float16
    assert torch.equal(found["w"], average)


def test_the_same_bytes_each_time():
    generator = torch.Generator().manual_seed(0)
    weights = {f"layer{i}.w": torch.rand(i + 1, generator=generator) for i in range(30)}
    meta = dict(classes=["a", "b"], palette=[(1, 2, 3)], cat_ids=np.arange(2))
    for form in ("safetensors", "pth"):
        shuffled = dict(random.Random(0).sample(sorted(meta.items()), 3))
        found = {published_bytes(dict(weights), m, form) for m in [meta, shuffled] * 10}
        assert len(found) == 1


def test_metadata_of_safetensors_survives(tmp_path):
    weights = dict(b=torch.arange(6).view(2, 3).bfloat16(), a=torch.tensor(2.5), e=torch.zeros(0))
    meta = dict(classes=["Ölkanne", "b\n"], palette=[[1, 2, 3]])
    (tmp_path / "x.safetensors").write_bytes(safetensors_bytes(weights, meta))
    loaded = load_file(tmp_path / "x.safetensors", torch.device("cpu"))
    assert loaded["meta"]["dataset_meta"] == meta
    for found in (loaded["state_dict"], load_safetensors(tmp_path / "x.safetensors")):
        assert found.keys() == weights.keys()
        assert all(
            torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in weights.items()
        )
    header = (tmp_path / "x.safetensors").read_bytes()
    assert json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]


def test_published_detector_predicts_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text(
        f"_base_ = {str(PARCELS)!r}\nmodel = dict(backbone=dict(depth=14))\n"
    )
    from mmresneskt.runtime.config.load import load_config
    from mmresneskt.runtime.trained import build_model

    model = randomize(build_model(load_config("small.py"), "small.py"))
    meta = dict(dataset_meta=dict(classes=tuple("abcdefghij"), palette=np.zeros((10, 3))))
    state = {f"module.{k}": v for k, v in model.state_dict().items()}
    torch.save(dict(state_dict=state, optimizer=dict(x=torch.ones(9)), meta=meta), "run.pth")
    call("publish", ["run.pth", "--config", "small.py"])
    file = published(tmp_path / "published")
    card = file.with_suffix(".md").read_text()
    assert file.name.startswith("small-")
    assert "| model | FasterRCNN, backbone ResNeSkt |" in card
    assert f"| parameters | {sum(p.numel() for p in model.parameters()):,}; float32" in card
    assert "| classes | 10: a, b, c," in card

    cv2.imwrite("x.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    found = []
    for weights in ("run.pth", str(file)):
        call("predict", ["x.png", "--config", "small.py", "--checkpoint", weights])
        found.append(json.loads((tmp_path / "predictions/predictions.json").read_text()))
    assert found[0] == found[1] != []

    backbone = ResNeSkt(
        14, init_cfg=dict(type="Pretrained", checkpoint=str(file), prefix="backbone.")
    )
    backbone.init_weights()
    expected = model.backbone.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in backbone.state_dict().items())

    with pytest.raises(UserError, match=r"holds only weights .*load_from"):
        call("train", ["small.py", "--no-check", "--resume", str(file)])
    deeper = (tmp_path / "small.py").read_text().replace("depth=14", "depth=26")
    (tmp_path / "deeper.py").write_text(deeper)
    with pytest.raises(UserError, match="does not fit config"):
        call("publish", ["run.pth", "--config", "deeper.py"])


def test_safetensors_start_a_run_and_a_resnest(tmp_path):
    first = train_tiny(tmp_path)
    first.model.layers[0].weight.data.fill_(0.125)
    save_safetensors(first.model.state_dict(), tmp_path / "start.safetensors")
    module = BaseModule(dict(type="Pretrained", checkpoint=str(tmp_path / "start.safetensors")))
    module.layers = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 1))
    module.init_weights()
    assert (module.layers[0].weight == 0.125).all()
    checkpoint = CheckpointLoader.load_checkpoint(str(tmp_path / "start.safetensors"), "cpu")
    with pytest.raises(CheckpointError, match="holds only weights"):
        require_resumable(checkpoint, "start.safetensors")

    resnest = randomize(ResNeSkt(14, spatial_attention=False))
    save_safetensors(resnest.state_dict(), tmp_path / "resnest.safetensors")
    init = dict(type="ResNeStPretrained", checkpoint=str(tmp_path / "resnest.safetensors"))
    model = ResNeSkt(14, init_cfg=init)
    model.init_weights()
    expected = resnest.state_dict()
    assert all(torch.equal(model.state_dict()[k], v) for k, v in expected.items())


LARGE = pytest.param(torch.ones(1).expand(2**20, 2**20), id="4 TB")


@pytest.mark.parametrize("tensor", [*NOT_DENSE, LARGE])
def test_what_is_no_dense_tensor_is_one_line(tensor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=dict(w=tensor)), "x.pth")
    cv2.imwrite("x.png", np.zeros((32, 32, 3), np.uint8))
    depth = ["--cfg-options", "model.backbone.depth=14"]
    for name, arguments in (
        ("publish", ["x.pth"]),
        ("predict", ["x.png", "--config", str(PARCELS), "--checkpoint", "x.pth", *depth]),
    ):
        with pytest.raises(UserError, match=r"^x\.pth is refused: .*$"):
            call(name, arguments)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (dict(state_dict={}), "holds no weights"),
        (dict(state_dict=dict(w=1)), "its entry w is no dense tensor"),
        (dict(model=dict(w=torch.ones(1))), "its entry model is no dense tensor"),
        (dict(state_dict=dict(w=torch.ones(1)), meta=dict(dataset_meta=dict(x=1j))), "complex"),
        (
            dict(w=torch.ones(1), meta=dict(dataset_meta=dict(classes=5))),
            "classes: 5 is not allowed",
        ),
        pytest.param(
            dict(w=torch.ones(1, dtype=torch.uint8).view(torch.bits8)),
            "no tensors of torch.bits8",
            marks=not_on_torch_2_1("does not save bits8"),
        ),
        ({f"w{i}": torch.ones(1).expand(2**20) for i in range(30)}, "repeat what is stored"),
    ],
)
def test_mistakes(content, text, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(UserError, match=rf"checkpoint .*x\.pth: .*{text}"):
        call("publish", [str(tmp_path / "x.pth"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_script(tmp_path):
    torch.save(dict(w=torch.ones(2)), tmp_path / "x-00000000.pth")
    result = run_tool("publish", "x-00000000.pth", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: x-00000000.pth is damaged or not the")
