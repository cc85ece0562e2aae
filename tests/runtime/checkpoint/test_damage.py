"""A damaged checkpoint is refused in one line or loads exactly right.

``tests/soak/test_damaged_checkpoints.py`` is the long form.
"""

import zipfile
from hashlib import sha256

import pytest
import torch

from mmresneskt.cli import call
from mmresneskt.runtime.checkpoint import CheckpointError, load_file, read_back, require_resumable
from tests.support.damage import damaged, outcome, same, tally, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder, with ``epoch_2.pth`` and what is published of it."""
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    for form in ("safetensors", "pth"):
        call(
            "publish", [str(folder / "epoch_2.pth"), "--out", str(folder / form), "--format", form]
        )
    return folder


def test_a_whole_checkpoint_is_read_back(run):
    checkpoint = read_back(run / "epoch_2.pth")
    require_resumable(checkpoint, "epoch_2.pth")
    plain = torch.load(run / "epoch_2.pth", weights_only=False)
    for key in ("state_dict", "optimizer", "param_schedulers"):
        assert same(checkpoint[key], plain[key])
    with pytest.raises(CheckpointError, match="none.pth cannot be read"):
        read_back(run / "none.pth")


@pytest.mark.parametrize("kind", ["epoch_2.pth", "pth/*.pth", "safetensors/*.safetensors"])
def test_damage(kind, run, tmp_path):
    (file,) = run.glob(kind)
    found = tally(file, tmp_path, 100)
    assert found["wrong"] == 0
    assert found["refused"] > 80  # the rest of torch's own is padding


def test_old_format(run, tmp_path):
    """It has no checksums: only a hash in the name tells, and a message says so."""
    old = tmp_path / "old.pth"
    torch.save(load_file(run / "epoch_2.pth"), old, _use_new_zipfile_serialization=False)
    assert tally(old, tmp_path, 100)["refused"] > 50  # some 80; what is where differs by the run
    named = old.rename(tmp_path / f"old-{sha256(old.read_bytes()).hexdigest()[:8]}.pth")
    assert tally(named, tmp_path, 100)["refused"] == 100


def test_records_that_torch_does_not_write(run, tmp_path):
    source = zipfile.ZipFile(run / "epoch_2.pth")
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in source.infolist():
            archive.writestr(record.filename, source.read(record))
    assert "compressed" in outcome(packed, None)
    module = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    torch.jit.save(module, tmp_path / "script.pt")
    assert "TorchScript is code" in outcome(tmp_path / "script.pt", None)


def test_the_message_is_one_printable_line():
    message = str(CheckpointError("a\n\tb\x1b[31mc\x00"))
    assert message == r"a b\x1b[31mc\x00"
    assert len(list(damaged(b"0123456789", 10))) == 10
