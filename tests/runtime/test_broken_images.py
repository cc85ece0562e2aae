"""Broken images: skipped within a budget, or named."""

import copy
import json
import os
from types import SimpleNamespace

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import ConfigDict
from mmengine.dataset import RepeatDataset
from mmengine.registry import DefaultScope
from mmpretrain.datasets import CustomDataset
from torch.utils.data import DataLoader

from mmresneskt.runtime.broken_images import (
    LIST,
    Budget,
    Skips,
    UnusableImage,
    count_images,
    guard,
    guard_images,
)
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.preflight import part_problems
from tests.support.helpers import run_tool
from tests.support.image_files import folder_with
from tests.support.small_classifier import CLASSIFIER

pytestmark = pytest.mark.usefixtures("frozen")


def test_a_budget_is_a_number_or_a_share():
    assert [Budget(text).of(250) for text in ("0", "7", "1%", "0.5%", "100%")] == [0, 7, 2, 1, 250]
    for text in ("-1", "101%", "1.5", "many", "nan%"):
        with pytest.raises(UserError, match=f"^--max-broken-images {text}: give a number"):
            Budget(text)


def dataset_of(library, root, **options):
    with DefaultScope.overwrite_default_scope(library):
        pipeline = [dict(type="LoadImageFromFile")]
        if library == "mmpretrain":
            return CustomDataset(data_root=str(root / "images"), pipeline=pipeline, **options)
        return CocoDataset(
            ann_file=str(root / "coco.json"),
            data_prefix=dict(img=str(root / "images")),
            metainfo=dict(classes=("x",)),
            pipeline=pipeline,
            **options,
        )


def epoch_of(dataset, workers):
    """The images read in two epochs."""
    loader = DataLoader(dataset, 2, num_workers=workers, collate_fn=list)
    read = []
    for _ in range(2):
        batches = iter(loader)
        try:
            read += [item["img_path"] for batch in batches for item in batch]
        finally:
            if workers:
                batches._shutdown_workers()  # else the collection of garbage waits for them
    return read


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("library", ["mmdet", "mmpretrain"])
def test_broken_images_are_skipped_within_the_budget(tmp_path, library, workers):
    dataset = dataset_of(library, folder_with(tmp_path, broken="be"))
    assert count_images(RepeatDataset(dataset, 3)) == 8
    repeated = RepeatDataset(dataset, 1)
    file = tmp_path / LIST
    guard(repeated, Skips(file, Budget("25%"), count_images(repeated)))
    read = epoch_of(repeated, workers)
    assert len(read) == 16  # another sample took the place of each
    assert {path[-5] for path in read} <= set("acdfgh")
    listed = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(entry["path"][-5] for entry in listed) == ["b", "e"]  # each once
    assert all("truncated" in entry["why"] for entry in listed)


@pytest.mark.parametrize("arguments", [None, dict(backend="disk")])
def test_what_is_no_regular_file_is_not_opened(tmp_path, arguments):
    root = folder_with(tmp_path, broken="")
    (root / "images/x/e.jpg").unlink()
    os.mkfifo(root / "images/x/e.jpg")
    dataset = dataset_of("mmdet", root)
    dataset.pipeline.transforms[0].file_client_args = arguments
    findings = list(part_problems([dataset], "val_dataloader"))
    assert [f.level for f in findings] == ["error"]
    assert "e.jpg (val_dataloader) cannot be used: it is no regular file" in findings[0].message
    guard(dataset, Skips(tmp_path / LIST, Budget("1"), 8))
    assert len(epoch_of(dataset, 0)) == 16
    assert "it is no regular file" in (tmp_path / LIST).read_text()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("library", ["mmdet", "mmpretrain"])
def test_beyond_the_budget_the_message_is_one_line(tmp_path, library, workers):
    root = folder_with(tmp_path, broken="be")
    for budget, message in (
        ("0", r"^\S*images/./[be]\.jpg cannot be used: .*truncated.*--max-broken-images N$"),
        (
            "1",
            r"^2 of 8 images cannot be used, more than --max-broken-images 1 allows, .*[be]\.jpg",
        ),
    ):
        dataset = dataset_of(library, root)
        guard(dataset, Skips(tmp_path / LIST, Budget(budget), len(dataset)))
        with pytest.raises(UnusableImage, match=message) as raised:
            epoch_of(dataset, workers)
        assert "\n" not in str(raised.value)


def test_an_evaluation_stops_at_the_first(tmp_path):
    for library in ("mmdet", "mmpretrain"):
        dataset = dataset_of(library, folder_with(tmp_path, broken="h"), test_mode=True)
        guard(dataset, None)
        with pytest.raises(UnusableImage, match=r"h\.jpg .*evaluation could not be compared"):
            epoch_of(dataset, 0)


def test_an_evaluation_with_the_trainings_settings_is_an_evaluation(tmp_path):
    root = folder_with(tmp_path, broken="h")

    def settings():
        return ConfigDict(batch_size=2, dataset=dict(data_root=str(root / "images")))

    cfg = ConfigDict(train_dataloader=settings(), val_cfg=dict(train_dataloader=settings()))
    runner = SimpleNamespace(
        cfg=cfg,
        work_dir=tmp_path,
        _resume=False,
        _val_dataloader=settings(),
        _test_dataloader=None,
        register_hook=lambda hook: None,
        build_dataloader=lambda loader: DataLoader(dataset_of("mmpretrain", root)),
    )
    guard_images(runner, Budget("1"))
    with pytest.raises(UnusableImage, match="evaluation could not be compared"):
        epoch_of(runner.build_dataloader(runner._val_dataloader).dataset, 0)
    for training in (cfg.train_dataloader, copy.deepcopy(cfg.val_cfg.train_dataloader)):
        assert len(epoch_of(runner.build_dataloader(training).dataset, 0)) == 16


def test_processes_count_together(tmp_path):
    first, second = (Skips(tmp_path / LIST, Budget("2"), 100) for _ in range(2))
    first.add("a", "x")
    second.add("a", "x")  # the same image counts once
    second.add("b\nc", "x")
    with pytest.raises(UnusableImage, match="3 of 100 images"):
        first.add("d", "x")


def test_training_from_the_command_line(tmp_path):
    folder_with(tmp_path, broken="e")
    (tmp_path / "other").mkdir()
    folder_with(tmp_path / "other", broken="")
    config = CLASSIFIER.replace("num_workers=0, dataset=dataset", "num_workers=1, dataset=dataset")
    whole = "val_dataloader.dataset.data_root=other/images"
    (tmp_path / "classifier.py").write_text(config)
    command = ["train", "classifier.py", "--work-dir", "wd"]
    result = run_tool(*command, "--cfg-options", whole, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "e.jpg cannot be used: " in errors[0]
    assert "Traceback" not in result.stderr
    command += ["--max-broken-images", "1", "--cfg-options", whole]
    result = run_tool(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    output = result.stdout + result.stderr
    assert output.count("skipped images/x/e.jpg") == 1
    assert "skipped 1 of 8 training images that cannot be used; they are listed in" in output
