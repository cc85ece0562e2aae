"""Resuming works, and a stranger's file runs nothing."""

import hashlib
import io
import os
import pickle
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.fileio import LocalBackend, PetrelBackend, register_backend
from mmengine.logging import MessageHub
from mmengine.runner.checkpoint import CheckpointLoader

from mmresneskt import ResNeSkt
from mmresneskt.runtime import checkpoint
from mmresneskt.runtime.checkpoint import CheckpointError, loading
from mmresneskt.runtime.checkpoint.unpickler import Unpickler
from tests.support.attacks import Calls
from tests.support.served import serve


def message_hub_state():
    hub = MessageHub.get_instance(f"test-{os.urandom(4).hex()}")
    for value in range(5):
        hub.update_scalar("train/loss", float(value))
    hub.update_info("epoch", 3)
    return hub.state_dict()


def test_dotted_names_of_newer_protocols_are_refused():
    """Protocol 4 can name an attribute of an attribute: numpy.dtypes.__builtins__.get."""

    def text(content):
        return pickle.SHORT_BINUNICODE + bytes([len(content)]) + content

    attack = pickle.PROTO + b"\x04" + text(b"numpy.dtypes") + text(b"__builtins__.get")
    attack += pickle.STACK_GLOBAL + text(b"eval") + pickle.TUPLE1 + pickle.REDUCE + pickle.STOP
    assert pickle.loads(attack) is eval  # the plain pickle module falls for it
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        Unpickler(io.BytesIO(attack), None).load()


@pytest.mark.parametrize("new_format", [False, True])
def test_mmengines_own_state_loads(new_format, tmp_path):
    state = message_hub_state()
    extra = dict(scalar=np.float64(2.5), array=np.arange(3), flags=np.array([True]))
    path = tmp_path / "run.pth"
    document = dict(message_hub=state, mine=extra, state_dict=dict(w=torch.ones(2)))
    torch.save(document, path, _use_new_zipfile_serialization=new_format)
    loaded = checkpoint.load_file(path)
    found = loaded["message_hub"]["log_scalars"]["train/loss"]
    assert found.data[0].tolist() == [0, 1, 2, 3, 4]
    assert found.mean() == 2.0
    assert loaded["mine"]["scalar"] == 2.5
    np.testing.assert_array_equal(loaded["mine"]["array"], np.arange(3))
    assert torch.equal(loaded["state_dict"]["w"], torch.ones(2))


def test_the_refusal_names_what_the_file_asks_for(tmp_path):
    torch.save(Calls(os.system, "true"), tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"asks for posix\.system.*state dict"):
        checkpoint.load_file(tmp_path / "bad.pth")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_a_file_that_is_no_checkpoint_is_an_error(content, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pth is (no checkpoint|damaged)"):
        checkpoint.load_file(tmp_path / "x.pth")
    with pytest.raises(FileNotFoundError, match=r"missing\.pth"):
        checkpoint.load_file(tmp_path / "missing.pth")


def test_what_is_left_out_forges_no_line(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(loading, "print_log", lambda text, **_: said.append(text))
    torch.save(dict(w=torch.ones(1), meta={"a\nerror: \x1b[31mb": 1}), tmp_path / "x\r.pth")
    checkpoint.load_file(tmp_path / "x\r.pth")
    assert said[0].startswith(r"x\r.pth: left out meta.a\nerror: \x1b[31mb, which")


def test_weights_that_are_none(tmp_path):
    torch.save(dict(state_dict=None), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth: its state_dict is a NoneType"):
        checkpoint.load_file(tmp_path / "x.pth")


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with serve(folder) as address:
        yield folder, address


def test_urls_go_the_same_way(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    folder, address = server
    buffer = io.BytesIO()
    torch.save(dict(w=torch.ones(3)), buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    (folder / f"good-{digest}.pth").write_bytes(buffer.getvalue())
    (folder / "dated-20240131.pth").write_bytes(buffer.getvalue())
    (folder / "forged-00000000.pth").write_bytes(buffer.getvalue())
    torch.save(Calls(os.system, f"touch {tmp_path / 'marker'}"), folder / "bad.pth")
    load = CheckpointLoader.load_checkpoint
    for _ in range(2):  # from the server, then from the cache
        assert torch.equal(load(f"{address}/good-{digest}.pth")["w"], torch.ones(3))
    assert torch.equal(load(f"{address}/dated-20240131.pth")["w"], torch.ones(3))
    with pytest.raises(CheckpointError, match="hash"):
        load(f"{address}/forged-00000000.pth")
    with pytest.raises(CheckpointError, match="refused"):
        load(f"{address}/bad.pth")
    assert not (tmp_path / "marker").exists()


def test_a_failed_download_says_how_to_go_on(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    _, address = server
    with pytest.raises(OSError, match=r"copy the file to .*nothing\.pth"):
        CheckpointLoader.load_checkpoint(f"{address}/nothing.pth")
    model = ResNeSkt(14, init_cfg=dict(type="ResNeStPretrained", checkpoint=f"{address}/no.pth"))
    with pytest.raises(OSError, match=r"copy the file to .*no\.pth, or train from scratch: .*None"):
        model.init_weights()


class Bucket(LocalBackend):
    """A store that has the files of a folder, as s3:// addresses."""

    folder = None

    def get(self, filepath):
        return super().get(self.folder / filepath.rpartition("/")[2])


@pytest.fixture
def other_places(tmp_path, monkeypatch):
    """mmengine's schemes that need no network here; two files are in each."""
    torch.save(dict(w=torch.ones(3)), tmp_path / "good.pth")
    torch.save(Calls(os.system, f"touch {tmp_path / 'marker'}"), tmp_path / "bad.pth")
    (tmp_path / "open_mmlab.json").write_text('{"good": "good.pth", "bad": "bad.pth"}')
    monkeypatch.setenv("MMENGINE_HOME", str(tmp_path))
    monkeypatch.setattr(Bucket, "folder", tmp_path)
    register_backend("petrel", Bucket, force=True)

    class Model:
        def __init__(self, name):
            self.name = name

        def download(self, file):
            shutil.copy(tmp_path / self.name, file)

    monkeypatch.setitem(
        sys.modules,
        "pavi",
        SimpleNamespace(modelcloud=SimpleNamespace(get=lambda name: Model(f"{name}.pth"))),
    )
    yield tmp_path
    register_backend("petrel", PetrelBackend, force=True)


@pytest.mark.parametrize(
    "address", ["openmmlab://{}", "open-mmlab://{}", "s3://bucket/{}.pth", "pavi://{}"]
)
def test_other_schemes_go_the_same_way(address, other_places):
    load = CheckpointLoader.load_checkpoint
    assert torch.equal(load(address.format("good"), "cpu")["w"], torch.ones(3))
    with pytest.raises(CheckpointError, match=r"bad\.pth is refused"):
        load(address.format("bad"), "cpu")
    assert not (other_places / "marker").exists()


def test_names_that_mmengine_does_not_know():
    load = CheckpointLoader.load_checkpoint
    with pytest.raises(CheckpointError, match=r"torchvision://resnet5\. Did you mean resnet50"):
        load("torchvision://resnet5")
    with pytest.raises(CheckpointError, match=r"open-mmlab://resnest5\. Did you mean resnest50"):
        load("open-mmlab://resnest5")


def test_a_local_file_is_compared_with_the_hash_in_its_name(tmp_path):
    buffer = io.BytesIO()
    torch.save(dict(w=torch.ones(3)), buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    for name in (f"a-{digest[:8]}.pth", f"a-{digest}.pth", "a-20240131.pth", "a-1234567.pth"):
        (tmp_path / name).write_bytes(buffer.getvalue())
        assert torch.equal(checkpoint.load_file(tmp_path / name)["w"], torch.ones(3))
    wrong = digest[:7] + ("0" if digest[7] != "0" else "1")
    (tmp_path / f"a-{wrong}.pth").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match=rf"begins with {digest[:8]}, not with {wrong}\."):
        checkpoint.load_file(tmp_path / f"a-{wrong}.pth")
