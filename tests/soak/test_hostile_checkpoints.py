"""The long form of checkpoint/test_code.py: each attack by each command, and by URL."""

import contextlib
import io
import itertools
import time

import cv2
import numpy as np
import pytest

from mmresneskt.cli import main
from tests.support.attacks import attacks, raw_attacks, write_attack
from tests.support.helpers import ROOT
from tests.support.served import serve

PARCELS = str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py")
DEPTH = "model.backbone.depth=14"
SMALL = [DEPTH, *(f"{part}_dataloader.dataset.num_images=4" for part in ("train", "val", "test"))]
COMMANDS = {
    "predict": lambda f: ["predict", "x.png", "--config", PARCELS, "--checkpoint", f],
    "visualize": lambda f: ["attention", "x.png", "--config", PARCELS] + ["--checkpoint", f],
    "publish": lambda f: ["publish", f],
    "test": lambda f: ["test", PARCELS, f, "--cfg-options", *SMALL],
    "resume": lambda f: ["train", PARCELS, "--no-check", "--resume", f],
    "load_from": lambda f: (
        ["train", PARCELS, "--no-check", "--cfg-options", *SMALL] + [f"load_from={f}"]
    ),
    "init_cfg": lambda f: (
        ["train", PARCELS, "--no-check", "--cfg-options", *SMALL]
        + ["model.backbone.init_cfg.type=Pretrained", f"model.backbone.init_cfg.checkpoint={f}"]
    ),
}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_attack(command, tmp_path, monkeypatch):
    """From a file and by URL, in every place for the quick commands: code 2, one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    cv2.imwrite("x.png", np.zeros((32, 32, 3), np.uint8))
    marker = tmp_path / "marker"
    quick = command in ("predict", "publish", "resume")
    places = ("whole", "state_dict", "meta", "message_hub") if quick else ("meta",)
    served = tmp_path / "served"
    served.mkdir()
    count = 0
    with serve(served) as address:
        everything = {**attacks(marker), **raw_attacks(marker)}.items()
        for (name, attack), place, old in itertools.product(everything, places, (False, True)):
            if isinstance(attack, bytes) and (old or place != places[0]):
                continue
            file = write_attack(attack, served / f"bad{count}.pth", old, place)
            # --resume of a URL builds the whole run first
            by_url = command != "resume" and count % 2
            source = f"{address}/{file.name}" if by_url else str(file)
            arguments = COMMANDS[command](source)
            error = io.StringIO()
            with contextlib.redirect_stderr(error), pytest.raises(SystemExit) as ended:
                main(arguments)
            said = [line for line in error.getvalue().splitlines() if line.startswith("error: ")]
            assert (ended.value.code, len(said)) == (2, 1), (name, error.getvalue()[-2000:])
            assert file.name in said[0]
            assert not marker.exists(), name
            count += 1
    time.sleep(1)  # for what a file might have started
    assert not marker.exists()
    print(f"\n{command}: {count} files refused, none ran")
