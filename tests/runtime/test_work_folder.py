"""One training at a time in a work folder."""

import os
import re
import signal
import time

import pytest

from mmresneskt.runtime import work_folder
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.work_folder import claimed
from tests.support.helpers import ROOT, run_tool, start_tool
from tests.support.toy_run import config, wait_for


@pytest.fixture
def holder(tmp_path):
    """Another process that has the folder, and has forked one of its own, as a data loader does."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        with claimed(tmp_path / "run"):
            if os.fork():
                os.write(tell, b"1")
            time.sleep(60)
        os._exit(0)
    os.read(told, 1)
    yield child
    os.killpg(child, signal.SIGKILL)
    os.close(told)
    os.close(tell)


def test_a_folder_in_use_is_refused_by_its_owner_until_that_is_killed(holder, tmp_path):
    said = rf"run is in use by another training, process {holder} on \S+: .*--work-dir"
    with pytest.raises(UserError, match=said), claimed(tmp_path / "run"):
        pass
    os.kill(holder, signal.SIGKILL)  # its child lives on
    os.waitpid(holder, 0)
    with claimed(tmp_path / "run"):
        pass
    with claimed(tmp_path / "run"):  # one after the other in one process
        pass


def test_the_other_processes_of_a_launch_ask_for_nothing(holder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with claimed(tmp_path / "run"):
        pass


def test_where_there_are_no_locks_a_line_says_so(tmp_path, monkeypatch, capsys):
    def refuse(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(work_folder.fcntl, "lockf", refuse)
    with claimed(tmp_path):
        pass
    assert "cannot be locked (No locks available)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    said = "file/run cannot be written: Not a dir"
    with pytest.raises(UserError, match=said), claimed(tmp_path / "file" / "run"):
        pass


def test_of_two_trainings_in_one_folder_the_second_ends_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cfg = config("run", custom_hooks=[dict(type="SleepHook", seconds=60)])
    cfg.custom_imports = dict(imports=["tests.support.toy_run"])
    cfg.dump(tmp_path / "toy.py")
    arguments = ["toy.py", "--no-check"]
    with start_tool("train", *arguments, cwd=tmp_path) as first:
        wait_for(tmp_path / "run" / "asleep")
        before = sorted((tmp_path / "run").iterdir())
        second = run_tool("train", *arguments, cwd=tmp_path)
        first.kill()
    assert second.returncode == 2, second.stdout
    (line,) = second.stderr.splitlines()
    assert re.match(r"error: run is in use by another training, process \d+ on ", line)
    assert sorted((tmp_path / "run").iterdir()) == before
