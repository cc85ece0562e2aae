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
from tests.support.kills import check_kills
from tests.support.served import serve
from tests.support.toy_run import finish, log, start


def save(path, epoch=1, iteration=1):
    meta = dict(epoch=epoch, iter=iteration)
    torch.save(dict(meta=meta, message_hub={}, state_dict=dict(a=torch.rand(9))), path)
    return path


def test_killed_at_random_moments_a_run_loses_no_more_than_an_iteration(tmp_path):
    check_kills(tmp_path, kills=4, seed=0)


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
    for link in links:  # the best is noted in the checkpoint after it was evaluated: a new file
        assert link.read_bytes() == (tmp_path / "copies" / link.name).read_bytes()
    epoch = best.name.replace("best_mean_", "")
    assert (tmp_path / epoch).read_bytes() != (tmp_path / "links" / epoch).read_bytes()
    info = torch.load(tmp_path / "epoch_6.pth", weights_only=False)["message_hub"]["runtime_info"]
    assert info["best_ckpt"] == str(best)


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


def test_of_one_launch_nothing_older_counts_nor_what_is_gone(tmp_path):
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_3.pth"))
    os.utime(save(tmp_path / "epoch_2.pth", 2), (1000, 1000))
    assert newest_valid(tmp_path, since=2000) is None
    assert newest_valid(tmp_path).meta["epoch"] == 2


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
        assert require(f"{address}/whole.pth")["epoch"] == 3
        with pytest.raises(UserError, match=rf"^{address}/weights.pth holds only weights"):
            require(f"{address}/weights.pth")
        with pytest.raises(UserError, match=r"missing.pth cannot be downloaded .*404"):
            require(f"{address}/missing.pth")
