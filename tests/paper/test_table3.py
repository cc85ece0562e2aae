"""Rows of Table 3: trained, evaluated, and their speed measured."""

import json
import os
import shutil
import subprocess

import pytest
import torch

from mmresneskt.cli import call
from mmresneskt.paper.benchmark.speed import saved_bytes
from mmresneskt.paper.detection_table import rows_of, run_config
from mmresneskt.paper.layout import DETECTION
from mmresneskt.paper.results import Results
from mmresneskt.paper.row_speed import row_speed
from mmresneskt.paper.schedule import adapted
from mmresneskt.paper.tables import TABLE3
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from tests.support.attacks import Calls
from tests.support.helpers import ROOT
from tests.support.python import python
from tests.support.voc_folder import write

DETECTOR = "table3", "--rows", "resneskt50", "--recipe", "parcels", "--epochs", 1


@pytest.fixture(scope="module")
def detected(tmp_path_factory):
    """A row of Table 3 on very few generated images, interrupted before it is evaluated."""
    folder = tmp_path_factory.mktemp("table3")
    work = folder / "clone"
    for part in ("mmresneskt", "configs"):
        shutil.copytree(ROOT / part, work / part, symlinks=True)  # .mim links to the configs
    quick = {
        "configs/faster_rcnn_resneskt_parcels.py": {
            "num_images=760": "num_images=8",
            "num_images=100": "num_images=4",
        },
        "mmresneskt/network/swap/backbones.py": {
            '_FIFTY = dict(type="ResNeSkt", depth=50)': '_FIFTY = dict(type="ResNeSkt", depth=14)'
        },
    }
    for name, changes in quick.items():
        text = (work / name).read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (work / name).write_text(text)

    def reproduce(*arguments):
        command = [python(), "-m", "mmresneskt", "reproduce", *map(str, arguments)]
        options = dict(env=os.environ | dict(PYTHONPATH=str(work)), capture_output=True, text=True)
        return subprocess.run(command, cwd=folder, timeout=600, **options)

    return folder, reproduce, reproduce(*DETECTOR)


def test_a_row_of_table_3_is_trained_and_evaluated_on_its_test_set(detected):
    folder, reproduce, first = detected
    assert first.returncode == 0, first.stderr
    file = folder / "results" / "table3_parcels.json"
    (found,) = json.loads(file.read_text())["runs"]
    assert (found["train_images"], found["test_images"], found["epochs"]) == (8, 4, 1)
    assert all(found[name] <= 100 for name in ("ap", "ap50", "ap75", "ap_small"))
    assert 10 < found["params"] < 30
    again = reproduce(*DETECTOR)
    assert "ResNeSkt-50, seed 0: done on" in again.stdout
    text = file.with_suffix(".md").read_text()
    assert text.count("not measured") == len(rows_of("parcels")) - 1
    assert "| ResNeSt-50 | 44.72 | 42.00 | not measured |" in text


def test_a_checkpoint_of_a_row_is_evaluated_instead(detected):
    folder, reproduce, _ = detected
    (checkpoint,) = folder.glob("work_dirs/table3_parcels/resneskt50_*/epoch_1.pth")
    (training,) = folder.glob("data/**/*_seed*_8x*")
    shutil.rmtree(training)
    document = torch.load(checkpoint, weights_only=False)
    document["meta"]["more"] = Calls(print, "it ran")
    torch.save(document, folder / "mine.pth")
    refused = reproduce(*DETECTOR, "--checkpoint", "mine.pth")
    assert refused.returncode == 2
    assert "refused" in refused.stderr
    done = reproduce(*DETECTOR, "--checkpoint", "mine.pth", "--trust-checkpoint")
    assert done.returncode == 0, done.stderr
    assert not training.exists()  # it would have been drawn again
    trained, evaluated = json.loads((folder / "results/table3_parcels.json").read_text())["runs"]
    assert evaluated["seed"] == "mine.pth"
    assert evaluated["ap"] == trained["ap"]
    assert evaluated["ap50"] == trained["ap50"]
    assert evaluated["train_images"] is None
    assert "data `parcels` (4 test images)" in done.stdout


def test_speed_and_memory_are_measured_side_by_side(detected):
    folder, reproduce, _ = detected
    before = json.loads((folder / "results/table3_parcels.json").read_text())["runs"]
    done = reproduce("table3", "--recipe", "parcels", "--rows", "resneskt50", "--speed")
    assert done.returncode == 0, done.stderr
    document = json.loads((folder / "results/table3_parcels.json").read_text())
    assert document["runs"] == before
    assert document["speed"]["amp"] is False
    found = document["speed"]["rows"]["resneskt50"]
    assert found["images_per_second"] > 0
    assert 0.01 < found["memory"] < 10
    assert "side by side in one run" in done.stdout


def test_speed_without_rows_writes_the_table(tmp_path, capsys):
    call("reproduce", ["table3", "--speed", "--rows", "--out", str(tmp_path)])
    assert capsys.readouterr().out.count("not measured") == len(TABLE3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has mixed precision")
def test_speed_in_mixed_precision_needs_a_gpu():
    cfg = load_config(str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"))
    cfg.model.backbone.depth = 14
    with pytest.raises(UserError, match="Amp.*gpu"):
        row_speed({"resneskt50": adapted(cfg, None, amp=True)})


def test_speed_says_that_it_is_of_mixed_precision(tmp_path):
    row = dict(images_per_second=1.0, spread=2.0, memory=3.0)
    speed = dict(rows=dict(resneskt50=row), batch_size=2, rounds=7, memory_is="m", amp=True)
    kept = Results(tmp_path / "t.json", "Title", TABLE3, DETECTION)
    kept.set_speed(dict(speed, hardware="h", versions={}, date="d", commit="c"))
    assert "batches of 2, mixed precision, median of 7 rounds" in kept.markdown(TABLE3)


def test_a_checkpoints_own_classes_count_where_its_training_data_is_missing(tmp_path):
    write(tmp_path, "a", [("dog", 0, 1, 1, 11, 21)])
    (row,) = [row for row in TABLE3 if row.name == "resneskt50"]
    cfg = run_config(row, "voc", data=str(tmp_path), classes=("cat", "dog"))
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    assert cfg.test_dataloader.dataset.metainfo.classes == cfg.classes == ["cat", "dog"]


def test_what_autograd_keeps_is_counted_once_and_without_parameters():
    weight = torch.nn.Parameter(torch.ones(8, 8))
    x = torch.ones(4, 8)

    def step():
        y = x @ weight  # keeps x, and weight, which is not counted
        z = y.exp()  # keeps its result
        (z * z + z.flatten().view(4, 8)).sum()  # keeps z twice, which is there once

    assert saved_bytes(step) == 2 * 4 * 8 * 4
