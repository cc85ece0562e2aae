"""Weights from servers that fail: nothing but a whole file of that URL is ever loaded."""

import functools
import hashlib
import io
import time
from pathlib import Path

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmresneskt.runtime.checkpoint import CheckpointError, cached_file, schemes
from tests.support.served import Odd, served


def saved(value):
    buffer = io.BytesIO()
    torch.save(dict(w=torch.full((3000,), value)), buffer)
    return buffer.getvalue()


@pytest.fixture
def content():
    """By path; that of "" is everywhere else."""
    return {"": saved(1.0), "/b/w.pth": saved(2.0), "/w?b": saved(2.0)}


@pytest.fixture
def address(content, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(schemes, "PATIENCE", 0.3)
    with served(functools.partial(Odd, content=content)) as address:
        yield address


def value(url):
    return CheckpointLoader.load_checkpoint(url)["w"][0].item()


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("how", "error", "why"),
    [
        ("still", OSError, r"cannot be downloaded \(timed out\)\. Without network: copy .*w\.pth"),
        ("cut", OSError, r"cannot be downloaded \(.*(cut off after|IncompleteRead).*\)"),
        ("unsaid", CheckpointError, r"w\.pth is damaged .*\(from http"),
    ],
)
def test_what_does_not_come_whole_does_not_stay(how, error, why, address, tmp_path):
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(error, match=why):
            value(f"{address}/{how}/w.pth")
        assert not files(tmp_path)
    assert time.monotonic() - started < 5
    assert value(f"{address}/whole/w.pth") == 1


def test_urls_that_end_alike_have_files_of_their_own(address, content, tmp_path):
    for _ in range(2):  # from the server, then from the cache
        found = {path: value(f"{address}{path}") for path in ("/a/w.pth", *content, "/w?a", "/..")}
        assert found == {"/a/w.pth": 1, "": 1, "/b/w.pth": 2, "/w?b": 2, "/w?a": 1, "/..": 1}
        content.update(dict.fromkeys(content, b""))
    for file in files(tmp_path):
        assert file.parent.parent == tmp_path / "hub" / "checkpoints"


def test_a_name_with_a_hash_is_where_torch_hub_has_it(address, content, tmp_path):
    digest = hashlib.sha256(content[""]).hexdigest()[:8]
    cached = cached_file(f"{address}/a/w-{digest}.pth")
    assert cached == tmp_path / "hub" / "checkpoints" / f"w-{digest}.pth"
    assert value(f"{address}/a/w-{digest}.pth") == 1
    assert cached.read_bytes() == content[""]
    content[""] = b""
    assert value(f"{address}/other/w-{digest}.pth") == 1
    content[""] = saved(2.0)
    with pytest.raises(CheckpointError, match=r"w-0000abcd\.pth is damaged or not the file"):
        value(f"{address}/a/w-0000abcd.pth")
    assert files(tmp_path) == [cached]


def test_a_folder_and_a_name_can_be_given(address, tmp_path):
    schemes.load_url(f"{address}/a", model_dir=str(tmp_path / "m"), file_name="f.pth")
    assert files(tmp_path) == [tmp_path / "m" / "f.pth"]
    long = f"{address}/{'n' * 400}.pth"
    schemes.load_url(long, model_dir=str(tmp_path / "m"))
    assert Path(cached_file(long, tmp_path / "m")) in files(tmp_path)
