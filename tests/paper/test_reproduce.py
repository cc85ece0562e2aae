"""Rows of a table: trained, resumed, skipped and written down."""

import json
import re
import signal

import pytest

from mmresneskt.paper.classification_table import run_config
from mmresneskt.paper.layout import CLASSIFICATION
from mmresneskt.paper.recipe import Data, find_data, fingerprint
from mmresneskt.paper.reproduce import select
from mmresneskt.paper.results import Results
from mmresneskt.paper.tables import TABLES
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import ROOT, run_tool, start_tool
from tests.support.imagenet_tree import build, make_tree

# the embedded data, very small, as a recipe: any config with data and a schedule is one
RECIPE = f"""
_base_ = {str(ROOT / "configs" / "resneskt_parcels10.py")!r}
few = dict(num_workers=0, batch_size=4, dataset=dict(num_images=8, size=32))
train_dataloader = val_dataloader = few
val_cfg = dict(train_dataloader=few)
train_pipeline = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
"""
ROW = "table2", "--rows", "resnet50", "--recipe", "tiny.py"


def results(folder):
    return json.loads((folder / "results" / "table2_tiny.json").read_text())["runs"]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """Two seeds of one row; the first was interrupted after its first epoch of two."""
    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "tiny.py").write_text(RECIPE)
    with start_tool("reproduce", *ROW, "--epochs", 2, cwd=folder) as process:
        for line in process.stdout:
            if "Epoch(val) [1]" in line:
                process.send_signal(signal.SIGINT)  # as Ctrl-C, but to the parent alone
    interrupted = process.returncode
    again = run_tool("reproduce", *ROW, "--epochs", 2, "--seeds", 0, 1, cwd=folder)
    return folder, interrupted, again


def test_it_goes_on_where_it_was_and_measures_every_seed(reproduced):
    folder, interrupted, again = reproduced
    assert interrupted == 130
    assert again.returncode == 0, again.stderr
    runs = results(folder)
    assert [(run["row"], run["seed"], run["epochs"]) for run in runs] == [
        ("resnet50", 0, 2),
        ("resnet50", 1, 2),
    ]
    for run in runs:
        assert 0 <= run["top1"] <= 100
        assert 0 <= run["train_top1"] <= 100
        assert run["loss"] > 0
        assert (run["train_images"], run["test_images"]) == (8, 8)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", run["date"])
        assert run["versions"]["torch"]
        assert run["hardware"]
        assert str(folder) not in json.dumps(run)
    (wd,) = (folder / "work_dirs" / "table2_tiny").glob("resnet50_seed0_*")
    steps = [
        json.loads(line)["step"]
        for log in sorted(wd.glob("*/vis_data/scalars.json"))
        for line in log.read_text().splitlines()
        if "accuracy/top1" in line
    ]
    assert set(steps) == {1, 2}
    assert steps.count(1) == 1  # the first epoch was not trained twice
    assert (wd / "curves.png").exists()


def test_what_is_done_is_skipped_and_the_rest_says_not_measured(reproduced):
    folder, _, _ = reproduced
    before = results(folder)
    result = run_tool("reproduce", *ROW, "--epochs", 2, "--seeds", 1, 0, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("done on") == 2
    assert results(folder) == before
    table = (folder / "results" / "table2_tiny.md").read_text()
    measured = re.search(
        r"\| ResNet-50 \| 75.06 \| [\d.]+ ± [\d.]+ \|.*\| 2 \| 0, 1 \| 1 \|", table
    )
    assert measured, table
    assert table.count("not measured") == len(TABLES["table2"]) - 1
    assert "8 training and 8 test images" in table


def test_without_rows_the_table_is_written_and_says_not_measured(tmp_path):
    result = run_tool("reproduce", "table1", "--rows", "--out", "here", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("not measured") == len(TABLES["table1"])
    assert (tmp_path / "here" / "table1.md").read_text().count("not measured") == len(
        TABLES["table1"]
    )
    assert json.loads((tmp_path / "here" / "table1.json").read_text())["runs"] == []


def test_prepared_data_trains_by_the_papers_recipe(tmp_path):
    build(make_tree(tmp_path / "imagenet", train=1), tmp_path / "data" / "imagenet10")
    command = ("table1", "--rows", "resneskt50", "--epochs", 1)
    result = run_tool("reproduce", *command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (found,) = json.loads((tmp_path / "results" / "table1.json").read_text())["runs"]
    assert (found["train_images"], found["test_images"]) == (30, 30)
    assert (found["recipe"], found["data"], found["epochs"]) == ("imagenet10", "imagenet10", 1)


def run(row="resnet50", seed=0, settings="a", top1=50.0, **others):
    """A run as it is kept."""
    figures = dict(loss=1.0, train_top1=60.0, train_loss=0.5, epochs=3, recipe="r", data="d")
    conditions = dict(hardware="h", versions=dict(torch="2"), date="2026-01-01", commit="c")
    images = dict(train_images=1, test_images=1, amp=False)
    base = dict(row=row, seed=seed, fingerprint=settings, top1=top1)
    return {**base, **figures, **conditions, **images, **others}


def row_named(name):
    return select("table2", TABLES["table2"], [name])[0]


def table(folder):
    return Results(folder / "t.json", "Title", TABLES["table2"], CLASSIFICATION)


def test_mean_and_spread_and_one_line_for_each_way_of_running(tmp_path):
    kept = table(tmp_path)
    for seed, top1 in enumerate((50.0, 52.0, 57.0)):
        kept.add(run(seed=seed, top1=top1, date=f"2026-01-0{seed + 1}", commit=f"c{seed % 2}"))
    kept.add(run(settings="b", epochs=1, top1=20.0, hardware="other"))
    text = kept.write().read_text()
    # mean 53, squared deviations 9 + 1 + 16 over 2; other days are no other way of running
    spread = "53.00 ± 3.61 | 1.00 ± 0.00 | 60.00 ± 0.00 | 3 | 0, 1, 2 | 1 |"
    assert f"| ResNet-50 | 75.06 | {spread}" in text
    assert "1. 2026-01-01, 2026-01-02, 2026-01-03, commit c0, c1, h;" in text
    assert "| ResNet-50 | 75.06 | 20.00 | 1.00 | 60.00 | 1 | 0 | 2 |" in text
    assert "| ResNeSkt-101 | 81.74 | not measured |" in text
    assert table(tmp_path).runs == kept.runs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.json", "t.md"]
    rows = {r["row"]: r for r in json.loads((tmp_path / "t.json").read_text())["rows"]}
    assert rows["resneskt101"]["measured"] == "not measured"
    assert rows["resnet50"]["paper_top1"] == 75.06
    top1 = rows["resnet50"]["measured"][0]["top1"]
    assert top1["mean"] == pytest.approx(53)
    assert top1["standard_deviation"] == pytest.approx(13**0.5)


def test_what_another_process_has_added_is_kept(tmp_path):
    one, other = table(tmp_path), table(tmp_path)
    one.add(run())
    other.add(run(row="sknet50"))
    assert len(table(tmp_path).runs) == 2
    other.add(run(top1=51.0))  # measured again: the newer counts
    assert [r["top1"] for r in table(tmp_path).runs if r["row"] == "resnet50"] == [51.0]


@pytest.mark.parametrize("text", ["[1]", '{"runs": null}', '{"runs": [{}]}', "{"])
def test_a_file_that_holds_no_results_is_not_overwritten(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UserError, match="does not hold results"):
        table(tmp_path)
    assert (tmp_path / "t.json").read_text() == text


def test_results_that_cannot_be_kept_are_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be kept"):
        table(tmp_path / "file")


def test_settings_and_data_are_told_apart_and_places_are_not():
    row = row_named("resnet50")
    data = Data("photos", ("a", "b"), 10, 5)
    config = run_config(row, "folder", data="/somewhere/photos")
    same = run_config(row, "folder", data="photos")
    same.train_dataloader.num_workers = 7
    same.default_hooks.logger.interval = 3
    assert fingerprint(config, data, "val") == fingerprint(same, data, "val")
    others = [
        run_config(row, "folder", epochs=3),
        run_config(row, "folder", amp=True),
        run_config(row_named("sknet50"), "folder"),
        run_config(row, "imagenet10"),
        run_config(row, "folder_gpu"),
    ]
    found = {fingerprint(cfg, data, "val") for cfg in (config, *others)}
    found |= {fingerprint(config, Data("photos", ("a", "b"), 11, 5), "val")}
    found |= {fingerprint(config, Data("photos", ("a", "c"), 10, 5), "val")}
    assert len(found) == 8


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["table1", "--rows", "resnest50"], "table1 has no row resnest50. Did you mean resneskt50"),
        (["table4"], "invalid choice"),
        (["table3", "--recipe", "vok"], "no recipe vok: choose from coco, voc, voc_gpu, parcels"),
        (["table3", "--rows", "resnet"], "table3 has no row resnet. Did you mean resnet50"),
        (["table3", "--rows", "resnet50"], "data/coco/.* is missing .*--data FOLDER"),
        (["table3", "--recipe", "voc"], "--cfg-options data_root=FOLDER"),
        (["table1", "--speed"], "for table3"),
        (["table3", "--checkpoint", "w.pth"], "takes a file, and the one row"),
        (
            ["table2", "--rows", "resnet50", "--out", "."],
            "data/imagenet10/train is missing.*prepare-imagenet10.*--data FOLDER",
        ),
        (["table2", "--epochs", "0"], "at least 1"),
        (["table2", "--recipe", "nothing.py", "--out", "."], "config nothing.py does not exist"),
        (["table2", "--recipe", "train_and_test", "--out", "."], "train_and_test is no recipe"),
        (["table2", "--recipe", ROOT / "configs/faster_rcnn_resneskt_parcels.py"], "is no recipe"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(arguments, text, tmp_path):
    result = run_tool("reproduce", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert re.search(text, result.stderr.strip().splitlines()[-1]), result.stderr
    assert not list(tmp_path.rglob("*.json"))


def test_the_other_rows_are_run_when_one_fails(tmp_path):
    (tmp_path / "tiny.py").write_text(RECIPE)
    run_folder = tmp_path / "work_dirs" / "table2_tiny"
    run_folder.mkdir(parents=True)
    command = ("table2", "--rows", "resnet50", "resnext50", "--recipe", "tiny.py", "--epochs", 1)
    cfg = run_config(row_named("resnet50"), str(tmp_path / "tiny.py"), 1)
    cfg.train_dataloader.dataset.data_root = cfg.val_dataloader.dataset.data_root = str(
        tmp_path / "data/parcels"
    )
    name = f"resnet50_seed0_{fingerprint(cfg, find_data(cfg, 'val'), 'val')}"
    (run_folder / name).write_text("a file in the way")
    result = run_tool("reproduce", *command, cwd=tmp_path)
    assert result.returncode == 2
    assert "these failed: ResNet-50 (seed 0)" in result.stderr
    assert [r["row"] for r in results(tmp_path)] == ["resnext50"]
