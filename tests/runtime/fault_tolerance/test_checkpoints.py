"""Checkpoints under kills, full disks and hard links; and which one is gone on from."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.fault_tolerance import newest_valid, require
from tests.support.kills import check_kills, check_kills_of_a_run_that_evaluates
from tests.support.served import serve
from tests.support.toy_run import finish, log, start, wait_for


def save(path, epoch=1, iteration=1, launch="first"):
    hub = dict(log_scalars={}, runtime_info=dict(launch=launch), resumed_keys={})
    meta, state = dict(epoch=epoch, iter=iteration), dict(a=torch.rand(9))
    torch.save(dict(meta=meta, message_hub=hub, state_dict=state, optimizer={}), path)
    return path


def test_killed_at_random_moments_a_run_loses_no_more_than_an_iteration(tmp_path):
    check_kills(tmp_path, kills=4, seed=0)


@pytest.mark.parametrize("by_epoch", [True, False], ids=["by epoch", "by iteration"])
def test_a_killed_run_makes_up_its_evaluations_and_stops_where_it_should(tmp_path, by_epoch):
    names = check_kills_of_a_run_that_evaluates(tmp_path, kills=3, seed=0, by_epoch=by_epoch)
    assert len([name for name in names if name.endswith(".pth")]) == 3


def test_the_best_is_one_file_and_nothing_is_written_over(tmp_path):
    settings = {
        "default_hooks.checkpoint.save_best": "mean",
        "default_hooks.checkpoint.rule": "less",
        "custom_hooks": [dict(type="LinkHook")],
    }
    assert finish(start(tmp_path, length=6, **settings)) == 0, log(tmp_path)
    (best,) = tmp_path.glob("best_*.pth")
    links = sorted((tmp_path / "links").iterdir())
    assert len(links) == 6
    for link in links:
        assert link.read_bytes() == (tmp_path / "copies" / link.name).read_bytes()
        assert link.samefile(tmp_path / link.name)
    with pytest.raises(UserError, match=r"best_mean_\S+ holds only weights \(no optimizer, param_"):
        require(best)


def test_a_full_disk_is_one_line_and_the_previous_checkpoint_is_whole(tmp_path):
    """On a tmpfs of one MiB; where mounting is not allowed, by a limit on the size of a file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0
    # 0.6 MB with the optimizer's state: one fits onto the disk
    settings = {"model.width": 7000, "default_hooks.checkpoint.max_keep_ckpts": 9}
    try:
        if not mounted:
            settings["custom_hooks"] = [dict(type="LimitFilesHook", epoch=1)]
        assert finish(start(folder, length=6, **settings)) == 2, log(folder)
        text = log(folder).strip().splitlines()
        assert "Traceback" not in "\n".join(text)
        assert re.match(
            r"error: checkpoint epoch_\d\.pth cannot be written to \S+: "
            r"(No space left on device|File too large) \(\d+ MiB free\)\. The checkpoints before "
            r"it are intact, and --resume goes on from the last one$",
            text[-1],
        ), text[-1]
        found = newest_valid(folder)
        assert found.skipped == []
        assert found.path == (folder / "last_checkpoint").read_text()
        assert f"epoch_{found.meta['epoch'] + 1}.pth" in text[-1]
        assert not list(folder.glob(".*.unfinished"))
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def test_the_newest_valid_checkpoint_is_taken_and_the_others_are_named(tmp_path):
    for epoch in (1, 2, 3, 10):
        save(tmp_path / f"epoch_{epoch}.pth", epoch)
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_10.pth"))
    assert newest_valid(tmp_path).path == str(tmp_path / "epoch_10.pth")
    os.truncate(tmp_path / "epoch_10.pth", 500)
    found = newest_valid(tmp_path)
    assert found.path == str(tmp_path / "epoch_3.pth")
    assert len(found.skipped) == 1
    assert "epoch_10.pth" in found.skipped[0]
    (tmp_path / "epoch_3.pth").write_bytes(b"")
    torch.save(dict(state_dict={}), tmp_path / "epoch_2.pth")
    assert newest_valid(tmp_path).path == str(tmp_path / "epoch_1.pth")
    assert len(newest_valid(tmp_path).skipped) == 3


def test_of_one_launch_no_other_counts_whatever_the_clock_says(tmp_path):
    save(tmp_path / "epoch_2.pth", 2)
    save(tmp_path / "epoch_1.pth", 1, launch="second")
    os.utime(tmp_path / "epoch_1.pth", (1000, 1000))
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_1.pth"))
    assert newest_valid(tmp_path, launch="second").meta["epoch"] == 1
    assert newest_valid(tmp_path, launch="third") is None
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_3.pth"))
    assert newest_valid(tmp_path, launch="second").meta["epoch"] == 1
    assert newest_valid(tmp_path).meta["epoch"] == 2


def test_the_count_inside_decides_between_epochs_and_iterations(tmp_path):
    save(tmp_path / "iter_30.pth", 0, 30)
    save(tmp_path / "epoch_2.pth", 2, 40)
    os.utime(tmp_path / "epoch_2.pth", (1000, 1000))
    assert newest_valid(tmp_path).path == str(tmp_path / "epoch_2.pth")


@pytest.mark.parametrize("kind", ["an empty folder", "a link to nothing"])
@pytest.mark.parametrize("named", [True, False])
def test_what_only_looks_like_a_checkpoint_is_passed_over(tmp_path, kind, named):
    save(tmp_path / "epoch_2.pth", 2)
    newest = tmp_path / "epoch_3.pth"
    newest.mkdir() if kind == "an empty folder" else newest.symlink_to(tmp_path / "gone")
    if named:
        (tmp_path / "last_checkpoint").write_text(str(newest))
    found = newest_valid(tmp_path)
    assert found.path == str(tmp_path / "epoch_2.pth")
    assert found.skipped == [
        f"checkpoint {newest} {'is an empty folder' if newest.is_dir() else 'does not exist'}"
    ]


def test_a_work_folder_that_is_removed_is_one_line(tmp_path):
    folder = tmp_path / "run"
    child = start(folder, length=10**6)
    wait_for(folder / "epoch_2.pth")
    folder.rename(tmp_path / "elsewhere")
    assert finish(child) == 2, log(tmp_path / "elsewhere")
    last = log(tmp_path / "elsewhere").splitlines()[-1]
    assert last.startswith(f"error: the work folder {folder} was removed"), last


@pytest.mark.parametrize(
    "pointer", [None, b"", b"\0" * 40, b"/somewhere/else/epoch_2.pth", b"\xff"]
)
def test_a_pointer_that_is_lost_or_damaged_does_not_matter(tmp_path, pointer):
    save(tmp_path / "epoch_2.pth")
    if pointer is not None:
        (tmp_path / "last_checkpoint").write_bytes(pointer)
    assert newest_valid(tmp_path).path == str(tmp_path / "epoch_2.pth")


def test_a_pointer_back_is_followed(tmp_path):
    for epoch in (1, 2):
        save(tmp_path / f"epoch_{epoch}.pth", epoch)
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_1.pth"))
    assert newest_valid(tmp_path).path == str(tmp_path / "epoch_1.pth")


def test_a_copied_folder_goes_on_from_its_own_checkpoint(tmp_path):
    original = tmp_path / "original"
    original.mkdir()
    save(original / "epoch_2.pth", 2)
    (original / "last_checkpoint").write_text(str(original / "epoch_2.pth"))
    copy = Path(shutil.copytree(original, tmp_path / "copy"))
    assert newest_valid(copy).path == str(copy / "epoch_2.pth")
    (copy / "epoch_2.pth").unlink()  # as where a hook's out_dir is another folder
    assert newest_valid(copy).path == str(original / "epoch_2.pth")


def test_the_best_of_a_copied_folder_is_its_own(tmp_path):
    settings = {
        "default_hooks.checkpoint.save_best": "mean",
        "default_hooks.checkpoint.rule": "less",
    }
    original, copy = tmp_path / "original", tmp_path / "copy"
    assert finish(start(original, length=2, **settings)) == 0, log(original)
    shutil.copytree(original, copy)
    before = sorted(path.name for path in original.iterdir())
    assert finish(start(copy, length=6, **settings)) == 0, log(copy)
    assert sorted(path.name for path in original.iterdir()) == before
    assert len(list(copy.glob("best_*.pth"))) == 1


def test_with_damaged_checkpoints_alone_no_run_starts_afresh(tmp_path):
    assert newest_valid(tmp_path) is None
    assert newest_valid(tmp_path / "missing") is None
    save(tmp_path / "iter_7.pth")
    os.truncate(tmp_path / "iter_7.pth", 700)
    with pytest.raises(UserError, match=r"can be gone on from: iter_7.pth is damaged"):
        newest_valid(tmp_path)
    assert finish(start(tmp_path)) == 2
    assert "To start from the beginning, remove them" in log(tmp_path)
    assert not (tmp_path / "losses.0").exists()


def test_a_url_is_gone_on_from_as_a_file_is(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "served"
    folder.mkdir()
    save(folder / "whole.pth", epoch=3)
    torch.save(dict(state_dict={}), folder / "weights.pth")
    with serve(folder) as address:
        assert require(f"{address}/whole.pth")["meta"]["epoch"] == 3
        with pytest.raises(UserError, match=rf"^{address}/weights.pth holds only weights"):
            require(f"{address}/weights.pth")
        with pytest.raises(UserError, match=r"missing.pth cannot be downloaded .*404"):
            require(f"{address}/missing.pth")
