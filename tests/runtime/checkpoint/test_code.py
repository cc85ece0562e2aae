"""No checkpoint runs code: not as it is loaded, and not by the config in it."""

import contextlib
import copy
import time

import cv2
import numpy as np
import pytest
import torch
from mmengine.infer import BaseInferencer
from mmengine.runner.checkpoint import CheckpointLoader

from mmresneskt.cli import call, main
from mmresneskt.runtime import errors
from mmresneskt.runtime.checkpoint import CheckpointError, load_file, loading, trust
from tests.support.attacks import attacks, raw_attacks, write_attack
from tests.support.damage import train as train_tiny
from tests.support.helpers import ROOT
from tests.support.served import serve

PARCELS = str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py")
DEPTH = ["--cfg-options", "model.backbone.depth=14"]
PARTS = ("train", "val", "test")


@pytest.fixture
def marker(tmp_path):
    """The file that an attack wants to create."""
    yield tmp_path / "marker"
    trust(False)


def fails(name, *arguments, capsys):
    """What a command says that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([name, *map(str, arguments)])
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert ended.value.code == 2
    assert len(said) == 1
    return said[0]


def test_the_attacks_are_real(marker):
    """Loaded without the restriction, each creates its file."""
    for name, attack in {**attacks(marker), **raw_attacks(marker)}.items():
        file = write_attack(attack, marker.with_name("bad.pth"))
        with contextlib.suppress(Exception):  # most have nothing to give back
            torch.load(file, weights_only=False)
        patience = time.monotonic() + 10
        while not marker.exists() and time.monotonic() < patience:
            time.sleep(0.01)
        assert marker.exists(), name
        marker.unlink()


@pytest.mark.parametrize("place", ["whole", "state_dict", "meta", "message_hub"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_would_run_code_is_refused(place, legacy, marker):
    for name, attack in {**attacks(marker), **raw_attacks(marker)}.items():
        file = write_attack(attack, marker.with_name("bad.pth"), legacy, place)
        with pytest.raises(CheckpointError, match=r"^bad\.pth is (refused|no checkpoint)"):
            CheckpointLoader.load_checkpoint(str(file), "cpu")
        assert not marker.exists(), name


def test_by_url(marker, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(marker.with_name("home")))
    served = marker.with_name("served")
    served.mkdir()
    with serve(served) as address:
        for number, attack in enumerate({**attacks(marker), **raw_attacks(marker)}.values()):
            write_attack(attack, served / f"{number}.pth")
            with pytest.raises(CheckpointError, match=rf"{number}\.pth is .* \(from http"):
                CheckpointLoader.load_checkpoint(f"{address}/{number}.pth")
    assert not marker.exists()


def test_the_commands_end_with_one_line(marker, monkeypatch, capsys):
    monkeypatch.chdir(marker.parent)
    cv2.imwrite("x.png", np.zeros((32, 32, 3), np.uint8))
    file = write_attack(attacks(marker)["os.system"], marker.with_name("bad.pth"))
    small = [*DEPTH, *(f"{part}_dataloader.dataset.num_images=4" for part in PARTS)]
    predicting = ["x.png", "--config", PARCELS, "--checkpoint"]
    for name, arguments in (
        ("predict", [*predicting, file, *DEPTH]),
        ("test", [PARCELS, file, *small]),
        ("train", [PARCELS, "--no-check", "--resume", file, *small]),
        ("train", [PARCELS, "--no-check", *small, f"load_from={file}"]),
    ):
        said = fails(name, *arguments, capsys=capsys)
        assert "bad.pth is refused: it asks for posix.system" in said
        assert not marker.exists()


def test_trust_is_asked_for_and_said(marker, monkeypatch, capsys):
    monkeypatch.chdir(marker.parent)
    cv2.imwrite("x.png", np.zeros((32, 32, 3), np.uint8))
    file = write_attack(attacks(marker)["os.system"], marker.with_name("bad.pth"))
    arguments = ["x.png", "--config", PARCELS, "--checkpoint", str(file), *DEPTH]
    with pytest.raises(errors.UserError, match="does not fit"):  # and so was loaded
        call("predict", [*arguments, "--trust-checkpoint"])
    assert marker.exists()
    assert "--trust-checkpoint: bad.pth may run code" in capsys.readouterr().out.replace(
        f"{marker.parent}/", ""
    )
    marker.unlink()
    with pytest.raises(errors.UserError, match="refused"):
        call("predict", arguments)
    assert not marker.exists()


@pytest.mark.parametrize("state", [(3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)])
def test_numpy_does_not_follow_pointers_of_the_file(state, marker):
    """With its own unpickling, NumPy takes the bytes for an object's address."""

    class Type:
        def __reduce__(self):
            return np.dtype, ("V8", False, True), state

    class Array:
        def __reduce__(self):
            reconstruct, arguments, _ = np.empty(0).__reduce__()
            return reconstruct, arguments, (1, (1,), Type(), False, b"A" * 8)

    torch.save({"meta": Array()}, marker)
    with pytest.raises(CheckpointError, match=r"type 'V8' are not allowed"):
        load_file(marker)


def test_the_config_in_a_checkpoint_is_not_executed(marker, monkeypatch):
    folder = marker.parent
    text = f"open({str(marker)!r}, 'w')"
    runner = train_tiny(folder)
    document = torch.load(folder / "epoch_1.pth", weights_only=False)
    document["meta"].update(config=text, cfg=text)
    document["message_hub"]["runtime_info"]["cfg"] = text
    torch.save(document, folder / "epoch_1.pth")
    again = train_tiny(folder, resume="epoch_1.pth")
    assert again.iter == runner.iter == 4
    assert again.message_hub.get_info("cfg") != text
    assert not marker.exists()
    said = []
    monkeypatch.setattr(loading, "_told", False)
    monkeypatch.setattr(loading, "print_log", lambda text, **_: said.append(text))
    with pytest.raises(ValueError, match="Cannot find the config"):
        BaseInferencer._init_model(None, copy.copy({}), str(folder / "epoch_1.pth"))
    assert "pass the config: DetInferencer(model=CONFIG, weights='epoch_1.pth')" in said[0]
    assert not marker.exists()
