"""Kill a training that saves every iteration, at random moments, and go on with it."""

import os
import random
import signal
import time
from pathlib import Path

import torch

from mmresneskt.runtime.checkpoint import load_file
from mmresneskt.runtime.fault_tolerance import newest_valid
from tests.support.toy_run import finish, log, losses, start, ticks


def check_kills(folder, kills, seed, width=8):
    """Kill ``kills`` times, every other time during a write; each start resumes.

    Compares the pieces with an uninterrupted run as well: losses and weights, to the bit.

    Returns:
        The moments of the kills: how many were during a write, and the largest loss of work.
    """
    draw = random.Random(seed)
    pieces, whole = folder / "pieces", folder / "whole"
    settings = {
        "by_epoch": False,
        "model.width": width,
        "train_cfg.val_interval": 10**6,
        "default_hooks.checkpoint.max_keep_ckpts": 2,
    }
    length = 10**6  # never reached before the last kill
    in_write = lost = 0
    done = 0
    for kill in range(kills):
        child = start(pieces, length=length, **settings)
        wait_for_iteration(pieces, done + 2, child)  # one has been saved
        time.sleep(draw.uniform(0, 0.2))
        if kill % 2:
            in_write += wait_for_write(pieces, draw)
        os.kill(child.pid, signal.SIGKILL)
        assert finish(child) == -signal.SIGKILL
        trained = last_line(pieces)
        saved = newest_valid(pieces).meta["iter"]  # what the next start goes on from
        lost = max(lost, trained - saved)
        assert 0 <= trained - saved <= 1
        assert saved >= done  # nothing that was there is gone
        done = saved
        assert len(list(pieces.glob(".*.unfinished"))) <= 1
        assert len(list(pieces.glob("*.pth"))) <= 4
    length = done + 5
    assert finish(start(pieces, length=length, **settings)) == 0, log(pieces)
    assert log(pieces).count("going on from") == kills
    assert log(pieces).count("training starts from the beginning") == 1
    assert sorted(p.name for p in pieces.glob("*.pth")) == sorted(
        f"iter_{n}.pth" for n in (length - 1, length)
    )
    assert not list(pieces.glob(".*"))
    assert finish(start(whole, length=length, **settings), seconds=3600) == 0, log(whole)
    assert losses(pieces) == losses(whole)
    assert list(losses(whole)) == list(range(1, length + 1))
    ours, theirs = (load_file(path / f"iter_{length}.pth") for path in (pieces, whole))
    assert_equal(ours, theirs)
    return dict(iterations=length, in_write=in_write, most_lost=lost)


def check_kills_of_a_run_that_evaluates(folder, kills, seed, by_epoch):
    """The same with averaged weights, a best checkpoint and EarlyStoppingHook, until it stops.

    A kill comes at any moment: training, evaluating, or writing one of the two checkpoints.
    """
    draw = random.Random(seed)
    pieces, whole = folder / "pieces", folder / "whole"
    settings = {
        "by_epoch": by_epoch,
        "length": 10**6,  # EarlyStoppingHook ends it, long after the last kill
        "default_hooks.checkpoint.interval": 1 if by_epoch else 3,  # evaluated every 5
        "default_hooks.checkpoint.max_keep_ckpts": 2,
        "default_hooks.checkpoint.save_best": "mean",
        "default_hooks.checkpoint.rule": "less",
        "custom_hooks": [
            dict(type="LossFileHook"),
            dict(type="MetricFileHook"),
            dict(type="EMAHook", momentum=0.05),
            dict(type="EarlyStoppingHook", monitor="mean", rule="less", patience=2 * kills + 2),
        ],
    }
    done = 0
    for _ in range(kills):
        child = start(pieces, **settings)
        wait_for_iteration(pieces, done + (7 if by_epoch else 5), child)  # one was saved
        time.sleep(draw.uniform(0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        assert finish(child) == -signal.SIGKILL
        done = newest_valid(pieces).meta["iter"]
    assert finish(start(pieces, **settings)) == 0, log(pieces)
    assert finish(start(whole, **settings)) == 0, log(whole)
    assert losses(pieces) == losses(whole)
    assert losses(pieces, what="metrics") == losses(whole, what="metrics")
    # but for the logs of each start, by its time
    names = [sorted(path.name for path in run.glob("[!2]*")) for run in (pieces, whole)]
    assert names[0] == names[1]
    assert len([name for name in names[0] if name.startswith("best_mean_")]) == 1
    for name in names[0]:
        if name.endswith(".pth"):
            assert_equal(*(load_file(run / name) for run in (pieces, whole)))
    return names[0]


def assert_equal(ours, theirs):
    """Weights, averaged weights, optimizer and EarlyStoppingHook's state, to the bit."""
    for part in ("state_dict", "ema_state_dict"):
        for name, value in ours.get(part, {}).items():
            assert torch.equal(value, theirs[part][name]), name
    assert ours.get("early_stopping") == theirs.get("early_stopping")
    for key in ("epoch", "iter"):
        assert ours["meta"][key] == theirs["meta"][key]


def last_line(folder):
    lines = Path(folder, "losses.0").read_text().splitlines()
    return int(lines[-1].split()[0]) if lines else 0


def wait_for_iteration(folder, iteration, child, seconds=120):
    for _ in ticks(seconds):
        file = Path(folder, "losses.0")
        if file.exists() and last_line(folder) >= iteration:
            return
        assert child.exitcode is None, log(folder)
    raise TimeoutError(log(folder)[-2000:])


def wait_for_write(folder, draw, seconds=5):
    """Return in the middle of a write: 1, or 0 if none was seen."""
    for _ in ticks(seconds):
        if any(Path(folder).glob(".*.unfinished")):
            time.sleep(draw.uniform(0, 0.005))
            return 1
    return 0
