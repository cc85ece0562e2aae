"""Rows of a table: trained, resumed, skipped and written down."""

import json
import re
import signal

import pytest

from mmresneskt.commands.errors import UserError
from mmresneskt.commands.paper import TABLES
from mmresneskt.commands.reproduce import fingerprint, run_config, select
from mmresneskt.commands.results import Results

from .helpers import ROOT, run_tool, start_tool
from .imagenet_tree import build, make_tree

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
    assert steps == [1, 2]  # the first epoch was not trained twice
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
    assert (tmp_path / "here" / "table1.md").read_text().count("not measured") == 6
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
    figures = dict(loss=1.0, train_top1=60.0, train_loss=0.5, epochs=3, recipe="r", data="d")
    conditions = dict(hardware="h", versions=dict(torch="2"), date="2026-01-01", commit="c")
    images = dict(train_images=1, test_images=1, amp=False)
    return (
        dict(row=row, seed=seed, fingerprint=settings, top1=top1, **figures, **conditions, **images)
        | others
    )


def test_mean_and_spread_and_one_line_for_each_way_of_running(tmp_path):
    table = Results(tmp_path / "t.json", "Title")
    for seed, top1 in enumerate((50.0, 52.0, 57.0)):
        table.add(run(seed=seed, top1=top1))
    table.add(run(settings="b", epochs=1, top1=20.0, hardware="other"))
    text = table.write(TABLES["table2"]).read_text()
    # mean 53, squared deviations 9 + 1 + 16 over 2
    assert (
        "| ResNet-50 | 75.06 | 53.00 ± 3.61 | 1.00 ± 0.00 | 60.00 ± 0.00 | 3 | 0, 1, 2 | 1 |"
        in text
    )
    assert "| ResNet-50 | 75.06 | 20.00 | 1.00 | 60.00 | 1 | 0 | 2 |" in text
    assert "| ResNeSkt-101 | 81.74 | not measured |" in text
    assert Results(tmp_path / "t.json", "Title").runs == table.runs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.json", "t.md"]


def test_a_file_that_holds_no_results_is_not_overwritten(tmp_path):
    (tmp_path / "t.json").write_text("[1]")
    with pytest.raises(UserError, match="does not hold results"):
        Results(tmp_path / "t.json", "Title")
    assert (tmp_path / "t.json").read_text() == "[1]"


def test_settings_are_told_apart_and_folders_count_by_name():
    row = select("table2", ["resnet50"])[0]
    config = run_config(row, "folder", data="/somewhere/photos")
    assert fingerprint(config) == fingerprint(run_config(row, "folder", data="photos"))
    others = [
        run_config(row, "folder", data="elsewhere"),
        run_config(row, "folder", data="photos", epochs=3),
        run_config(row, "folder", data="photos", amp=True),
        run_config(select("table2", ["sknet50"])[0], "folder", data="photos"),
        run_config(row, "imagenet10", data="photos"),
    ]
    assert len({fingerprint(cfg) for cfg in (config, *others)}) == 6


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["table1", "--rows", "resnest50"], "table1 has no row resnest50. Did you mean resneskt50"),
        (["table3"], "invalid choice"),
        (["table2", "--rows", "resnet50"], "data/imagenet10/train is missing.*prepare_imagenet10"),
        (["table2", "--epochs", "0"], "at least 1"),
        (["table2", "--recipe", "nothing.py"], "config nothing.py does not exist"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(arguments, text, tmp_path):
    result = run_tool("reproduce", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert re.search(text, result.stderr.strip().splitlines()[-1]), result.stderr
    assert not list(tmp_path.iterdir())
