"""Losses that are not finite, with data that makes them so."""

import os
import re

import pytest
import torch

from mmresneskt.runtime.checkpoint import load_file
from tests.support.toy_run import finish, log, losses, start, start_pair

# seed 0 comes to it in iterations 4 and 10, and two processes in 2 and 5
BAD = {"train_dataloader.dataset.bad": [11]}


def run(folder, policy, **settings):
    options = dict(on_bad_loss=policy)
    return finish(start(folder, by_epoch=False, length=12, options=options, **BAD, **settings))


def all_finite(folder):
    state = load_file((folder / "last_checkpoint").read_text())["state_dict"]
    return all(torch.isfinite(value).all() for value in state.values())


def test_a_run_stops_before_the_weights_and_names_terms_iteration_and_images(tmp_path):
    assert run(tmp_path, None) == 2
    assert max(losses(tmp_path)) == 3
    last = log(tmp_path).strip().splitlines()[-1]
    assert last.startswith(
        "error: the loss of iteration 4 is not finite: loss_square=nan, loss_size=nan, size=nan, "
        "on 9.png, 18.png, 11.png, 8.png. It has not reached the weights."
    )
    assert "Traceback" not in log(tmp_path)
    assert all_finite(tmp_path)


def test_a_skipped_batch_leaves_weights_and_statistics_alone(tmp_path):
    assert run(tmp_path, "skip") == 0
    assert set(losses(tmp_path)) == set(range(1, 13)) - {4, 10}
    assert log(tmp_path).count("skipped (1 of 10)") == 1
    assert all_finite(tmp_path)


def test_too_many_skipped_batches_end_the_run(tmp_path):
    hooks = {"custom_hooks": [dict(type="BadLossHook", policy="skip", limit=1)]}
    assert run(tmp_path, None, **hooks) == 2
    assert "there were 1 before, which is the limit" in log(tmp_path)


def test_a_rollback_takes_the_last_checkpoints_weights(tmp_path):
    settings = {"default_hooks.checkpoint.interval": 3}
    assert run(tmp_path, "rollback", **settings) == 0
    assert re.findall(r"back to \S+/iter_(\d+)\.pth \(. of 3\)", log(tmp_path)) == ["3", "9"]
    assert all_finite(tmp_path)


def test_without_a_checkpoint_there_is_no_rollback(tmp_path):
    settings = {"default_hooks.checkpoint.interval": 1000}
    assert run(tmp_path, "rollback", **settings) == 2
    assert "there is no checkpoint of this run" in log(tmp_path)


@pytest.mark.parametrize(("policy", "code"), [("stop", 2), ("skip", 0)])
def test_two_processes_do_the_same(tmp_path, policy, code):
    settings = dict(by_epoch=False, length=6, options=dict(on_bad_loss=policy), **BAD)
    assert [finish(child) for child in start_pair(tmp_path, **settings)] == [code, code]
    expected = {1} if policy == "stop" else {1, 3, 4, 6}
    assert set(losses(tmp_path, 0)) == set(losses(tmp_path, 1)) == expected
    assert "on 4.png, 19.png, 9.png, 11.png" in (tmp_path / "log.0").read_text()  # of the one
    assert all_finite(tmp_path)


def test_another_runs_checkpoint_is_not_gone_back_to(tmp_path):
    meta = dict(epoch=9, iter=99)
    torch.save(
        dict(meta=meta, message_hub={}, state_dict={}, optimizer={}), tmp_path / "epoch_9.pth"
    )
    os.utime(tmp_path / "epoch_9.pth", (1000, 1000))
    settings = {"default_hooks.checkpoint.interval": 1000, **BAD}
    options = dict(on_bad_loss="rollback", resume=None)
    child = start(tmp_path, by_epoch=False, length=12, options=options, **settings)
    assert finish(child) == 2
    assert "there is no checkpoint of this run to go back to" in log(tmp_path)


def test_after_a_rollback_no_batch_is_left_out(tmp_path):
    by_iteration = {"default_hooks.checkpoint.by_epoch": False}
    settings = {**by_iteration, "default_hooks.checkpoint.interval": 4, **BAD}
    options = dict(on_bad_loss="skip")
    assert finish(start(tmp_path / "skip", length=3, options=options, **settings)) == 0
    options = dict(on_bad_loss="rollback")
    settings["default_hooks.checkpoint.interval"] = 1  # there is one to go back to
    assert finish(start(tmp_path / "rollback", length=3, options=options, **settings)) == 0
    assert len(losses(tmp_path / "skip")) == 3 * 6 - 3
    assert losses(tmp_path / "skip").keys() == losses(tmp_path / "rollback").keys()
