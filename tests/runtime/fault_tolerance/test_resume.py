"""A resumed run is the run that was not interrupted: the same losses and weights, to the bit."""

import ast
import inspect
import os
import signal
import textwrap

import mmengine.hooks
import pytest
import torch

from mmresneskt.runtime.checkpoint import load_file
from tests.support.toy_run import finish, log, losses, start, start_pair, wait_for


def weights(work_dir):
    checkpoint = load_file((work_dir / "last_checkpoint").read_text())
    averages = {f"ema.{k}": v for k, v in checkpoint.get("ema_state_dict", {}).items()}
    return {**checkpoint["state_dict"], **averages, **checkpoint["optimizer"]["state"]}


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        if isinstance(value, dict):
            assert_equal(value, theirs[key])
        else:
            assert torch.equal(value, theirs[key]), key


RARELY = {"default_hooks.checkpoint.interval": 3}
BY_ITERATION = dict(by_epoch=False, length=13, **RARELY)
BY_EPOCH = dict(by_epoch=True, length=3)  # of six iterations
WORKERS = {"train_dataloader.num_workers": 2}
RUNS = {
    "epochs": (BY_EPOCH, signal.SIGKILL),
    "an epoch's middle": (BY_EPOCH, signal.SIGTERM),
    "an epoch's middle, workers": (
        dict(BY_EPOCH, **WORKERS, **{"train_dataloader.persistent_workers": True}),
        signal.SIGTERM,
    ),
    "iterations": (BY_ITERATION, signal.SIGKILL),
    "iterations, workers": (dict(BY_ITERATION, **WORKERS), signal.SIGKILL),
    "iterations over an epoch's sampler": (
        {**BY_ITERATION, "train_dataloader.sampler.type": "DefaultSampler"},
        signal.SIGKILL,
    ),
    "no seed": (dict(BY_EPOCH, randomness={}), signal.SIGKILL),
}


@pytest.mark.parametrize(("settings", "how"), RUNS.values(), ids=RUNS)
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, settings, how):
    slow = {"custom_hooks": [dict(type="LossFileHook"), dict(type="SleepHook", seconds=0.02)]}
    pieces, whole = tmp_path / "pieces", tmp_path / "whole"
    child = start(pieces, **settings, **slow)
    wait_for(pieces / "losses.0", 22 * 8)  # eight iterations: the second epoch
    os.kill(child.pid, how)
    assert finish(child) == (143 if how == signal.SIGTERM else -9)
    assert finish(start(pieces, **settings)) == 0, log(pieces)
    if not settings.get("randomness", True):
        seed = load_file((pieces / "last_checkpoint").read_text())["meta"]["seed"]
        settings = dict(settings, randomness=dict(seed=seed))
    assert finish(start(whole, **settings)) == 0, log(whole)
    assert losses(pieces) == losses(whole)
    assert len(set(losses(whole).values())) == len(losses(whole)) > 8
    assert_equal(weights(pieces), weights(whole))


def test_a_batch_does_not_depend_on_the_number_of_workers(tmp_path):
    for workers in (0, 2):
        settings = {"train_dataloader.num_workers": workers}
        assert finish(start(tmp_path / str(workers), length=2, **settings)) == 0
    assert losses(tmp_path / "0") == losses(tmp_path / "2")


def test_two_processes_resume_each_with_its_own_state(tmp_path):
    pieces, whole = tmp_path / "pieces", tmp_path / "whole"
    slow = {"custom_hooks": [dict(type="LossFileHook"), dict(type="SleepHook", seconds=0.02)]}
    settings = dict(by_epoch=False, length=15, **RARELY)
    pair = start_pair(pieces, **settings, **slow)
    wait_for(pieces / "losses.1", 22 * 5)
    os.kill(pair[1].pid, signal.SIGINT)  # one is enough
    assert [finish(child) for child in pair] == [130, 130]
    assert len(losses(pieces, 0)) == len(losses(pieces, 1)) < 15
    for work_dir in (pieces, whole):
        assert [finish(child) for child in start_pair(work_dir, **settings)] == [0, 0]
    for rank in (0, 1):
        assert losses(pieces, rank) == losses(whole, rank)
    assert losses(whole, 0) != losses(whole, 1)
    assert_equal(weights(pieces), weights(whole))


def test_stopped_within_an_evaluation_the_averaged_weights_are_not_saved_for_the_raw(tmp_path):
    pieces, whole = tmp_path / "pieces", tmp_path / "whole"
    average = [dict(type="LossFileHook"), dict(type="EMAHook", momentum=0.1)]
    settings = {"default_hooks.checkpoint.interval": 4, "custom_hooks": average}
    stop = {"custom_hooks": [*average, dict(type="SignalHook", epoch=1)]}
    assert finish(start(pieces, **{**settings, **stop})) == 143, log(pieces)
    assert (pieces / "iter_6.pth").exists()
    for work_dir in (pieces, whole):
        assert finish(start(work_dir, **settings)) == 0, log(work_dir)
    assert losses(pieces) == losses(whole)
    assert_equal(weights(pieces), weights(whole))


def test_averaged_weights_without_their_hook_are_a_line(tmp_path):
    average = [dict(type="LossFileHook"), dict(type="EMAHook", momentum=0.1)]
    assert finish(start(tmp_path, length=1, custom_hooks=average)) == 0, log(tmp_path)
    assert "EMAHook" not in log(tmp_path)
    assert finish(start(tmp_path, length=2)) == 0, log(tmp_path)
    assert "the weights are the averages of an EMAHook, which the config has not" in log(tmp_path)


def test_a_resumed_run_that_was_stopped_early_stays_stopped(tmp_path):
    early = dict(type="EarlyStoppingHook", monitor="mean", rule="less", patience=2, min_delta=9)
    hooks = [dict(type="LossFileHook"), early]
    for _ in range(2):
        assert finish(start(tmp_path, length=9, custom_hooks=hooks)) == 0, log(tmp_path)
        assert len(losses(tmp_path)) == 3 * 6


def test_every_state_of_mmengines_hooks_is_known():
    """Who sets attributes while a run goes on; EarlyStoppingHook's are in the checkpoint."""
    harmless = {
        "CheckpointHook": "in message_hub, or found again",
        "EMAHook": "in the checkpoint",
        "IterTimerHook": "times",
        "LoggerHook": "paths",
        "ProfilerHook": "of one process",
        "RuntimeInfoHook": "of one loop",
        "SyncBuffersHook": "of one epoch",
    }
    stateful = {
        kind.__name__
        for kind in vars(mmengine.hooks).values()
        if isinstance(kind, type) and _sets_attributes(kind)
    }
    assert stateful == {*harmless, "EarlyStoppingHook"}


def _sets_attributes(kind):
    methods = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and getattr(node.value, "id", None) == "self"
        for method in methods
        if isinstance(method, ast.FunctionDef) and method.name != "__init__"
        for node in ast.walk(method)
    )


def test_the_main_process_decides_for_machines_with_disks_of_their_own(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert finish(start(first, length=2)) == 0, log(first)
    pair = start_pair(first, second, length=4)
    assert [finish(child) for child in pair] == [0, 0], log(first)
    assert min(losses(second, 1)) == 13  # two epochs of six were trained on
    assert list(losses(first, 0))[12:] == list(losses(second, 1))
