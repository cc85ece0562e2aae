"""Signals: the run finishes its iteration, saves and ends; real processes, real signals."""

import multiprocessing
import os
import re
import signal
import subprocess

import pytest
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmresneskt.runtime.fault_tolerance import fault_tolerant, handle_failures
from mmresneskt.runtime.fault_tolerance.positions import by_position
from tests.support.processes import start as start_script
from tests.support.toy_run import ToySet, config, finish, log, losses, start, wait_for

LONG = 100_000


@pytest.mark.parametrize(
    ("number", "code", "by_epoch"),
    [
        (signal.SIGTERM, 143, True),
        (signal.SIGINT, 130, False),
        (signal.SIGUSR1, 143, False),
    ],
)
def test_a_signal_ends_the_run_with_a_checkpoint_of_its_last_iteration(
    tmp_path, number, code, by_epoch
):
    interval = {"default_hooks.checkpoint.interval": LONG, "train_cfg.val_interval": LONG}
    child = start(tmp_path, by_epoch=by_epoch, length=LONG, **interval)
    wait_for(tmp_path / "losses.0", 200)
    os.kill(child.pid, number)
    assert finish(child) == code
    done = max(losses(tmp_path))
    saved = tmp_path / f"iter_{done}.pth"
    assert saved.exists()
    assert (tmp_path / "last_checkpoint").read_text() == str(saved)
    found = re.search(r"error: stopped by (\w+) after iteration (\d+): saved (\S+),", log(tmp_path))
    assert found.groups() == (signal.Signals(number).name, str(done), str(saved))
    # and the next start takes it over
    length = done // 6 + 1 if by_epoch else done + 1
    assert finish(start(tmp_path, by_epoch=by_epoch, length=length)) == 0
    assert f"going on from {saved}" in log(tmp_path)
    assert not saved.exists()  # a regular checkpoint took its place
    assert sorted(losses(tmp_path)) == list(range(1, (6 * length if by_epoch else length) + 1))


def test_a_second_interrupt_ends_the_process_at_once(tmp_path):
    # an iteration of an hour: only a process that does not wait for it ends
    hour = {"custom_hooks": [dict(type="LossFileHook"), dict(type="SleepHook", seconds=3600)]}
    child = start(tmp_path, **hour)
    wait_for(tmp_path / "asleep")
    os.kill(child.pid, signal.SIGINT)
    wait_for(tmp_path / "log", len("SIGINT"))
    while "SIGINT: stopping" not in log(tmp_path):
        pass
    os.kill(child.pid, signal.SIGINT)
    assert finish(child) == -signal.SIGINT


def test_the_handlers_of_before_are_put_back_however_the_run_ends(tmp_path):
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    runner = fault_tolerant(Runner).from_cfg(config(tmp_path))

    def fail():
        with handle_failures(runner, leave=os._exit):
            assert not set(before) & {signal.getsignal(number) for number in numbers}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [signal.getsignal(number) for number in numbers] == before


def test_the_script_hands_signals_on_and_nothing_is_started_again(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    cfg = config(
        folder, by_epoch=False, length=LONG, custom_imports=dict(imports=["tests.support.toy_run"])
    )
    cfg.default_hooks.checkpoint.interval = 10
    cfg.dump(folder / "config.py")
    arguments = (folder / "config.py", 2, "--work-dir", folder, "--no-check")
    process = start_script("dist_train.sh", *arguments)
    wait_for(folder / "last_checkpoint", seconds=300)
    process.send_signal(signal.SIGUSR1)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 143, output[-3000:]
    assert output.count("error: stopped by SIGUSR1") == 1
    assert output.count("training starts from the beginning") <= 1
    done = max(losses(folder, 0))
    assert done == max(losses(folder, 1))
    assert (folder / "last_checkpoint").read_text() == str(folder / f"iter_{done}.pth")


def test_a_worker_ends_by_its_parents_signal_alone():
    loader = DataLoader(ToySet(), batch_size=4, num_workers=1, collate_fn=list)
    batches = iter(by_position(loader, seed=0, endless=False))
    next(batches)
    (worker,) = multiprocessing.active_children()
    subprocess.run(["kill", str(worker.pid)], check=True)
    for _ in range(5):
        next(batches)
    assert worker.is_alive()
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == 0
