"""What a GPU will be asked, on the CPU: the session of parts, and each part at toy size."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from mmresneskt.cli import call
from mmresneskt.data.parcels import KINDS
from mmresneskt.paper.detection_table import run_config
from mmresneskt.paper.gpu import (
    backbone,
    classify,
    correct,
    detector,
    network,
    operators,
    profiled,
    survive,
)
from mmresneskt.paper.gpu import train as train_part
from mmresneskt.paper.gpu import triton as triton_part
from mmresneskt.paper.gpu import zoo as zoo_part
from mmresneskt.paper.gpu.compare import row
from mmresneskt.paper.gpu.parts import PARTS, Part
from mmresneskt.paper.gpu.record import Record
from mmresneskt.paper.gpu.session import run_session
from mmresneskt.paper.gpu.work import EXIT_BROKEN, Setting, work
from mmresneskt.paper.recipe import find_data
from mmresneskt.paper.tables import TABLE3
from mmresneskt.paper.zoo import zoo_folder
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.ops.extension import EXTENSION, OPERATORS, Extension
from tests.support.helpers import not_on_torch_2_1

FLOAT16 = not_on_torch_2_1("multiplies no matrices of float16 on a CPU")

# what a part's process does without the seconds that the libraries take to import
START = """
import json, os, subprocess, sys, time
path = sys.argv[1]
content = json.load(open(path)) if os.path.exists(path) else dict(header=["what"], rows={}, on={})
def write(**changes):
    content.update(changes)
    json.dump(content, open(path, "w"))
"""
GOOD = "write(rows={'a': [[0.5]]}, on={'a': 0}, conditions=[], complete=True)"
BAD = "write(rows={'a': [['kept']]}, on={'a': 0}); sys.exit('no such kernel')"
HANGS = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
write(rows={'a': [[child.pid]]}, on={'a': 0}, running='b')
time.sleep(600)
"""
DIES = """
failed = content.get('failed', {})
if len(failed) < 2:
    write(running=f'step {len(failed)}')
    os.kill(os.getpid(), 11)
write(rows={'last': [['reached']]}, on={'last': 0}, ended=True)
sys.exit(1)
"""


def part(name, code, weight=1.0, stage=None, **other):
    argv = (sys.executable, "-c", START + code)
    return Part(name, f"Part {name}", weight, stage or name, argv, **other)


def setting(folder, **other):
    return Setting(folder / "out", folder / "work", **other)


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def read(folder, name):
    return json.loads((folder / "out" / f"{name}.json").read_text())


def test_a_failed_part_and_one_that_hangs_do_not_stop_the_others(tmp_path):
    parts = [
        part("bad", BAD),
        part("hangs", HANGS),
        part("good", GOOD),
        part("cells", GOOD, needs="bccd"),
    ]
    start = time.monotonic()
    assert not run_session(parts, setting(tmp_path), minutes=0.2)
    assert time.monotonic() - start < 12
    assert not is_running(read(tmp_path, "hangs")["rows"]["a"][0][0])
    document = json.loads((tmp_path / "out/gpu.json").read_text())
    outcomes = {name: found["outcome"] for name, found in document["parts"].items()}
    assert outcomes["bad"] == "failed with exit code 1"
    assert outcomes["hangs"].startswith("its time was up")
    assert outcomes["good"] == "measured"
    assert outcomes["cells"] == "not measured: no --bccd"
    text = (tmp_path / "out/gpu.md").read_text()
    for line in ("## Part good (`good`)", "| 0.5 |", "| kept |", "Last line of its log"):
        assert line in text
    assert "no such kernel" in text
    assert "no such kernel" in (tmp_path / "out/logs/bad.log").read_text()


def test_a_second_run_goes_on_with_what_is_missing(tmp_path, capsys):
    parts = [part("good", GOOD), part("bad", "sys.exit(3)")]
    assert not run_session(parts, setting(tmp_path), minutes=1)
    parts[1] = part("bad", GOOD)
    before = read(tmp_path, "good")
    (tmp_path / "out/good.json").write_text(json.dumps({**before, "mark": 1}))
    assert run_session(parts, setting(tmp_path), minutes=1)
    assert read(tmp_path, "good")["mark"] == 1
    assert "good: up to" not in capsys.readouterr().out.partition("bad: failed")[2]
    assert run_session(parts, setting(tmp_path), minutes=1, chosen=["good"])
    assert "mark" not in read(tmp_path, "good")


def test_the_report_is_written_again_without_running_anything(tmp_path):
    parts = [part("good", GOOD), part("bad", BAD), part("other", GOOD)]
    assert not run_session(parts[:2], setting(tmp_path), minutes=1)
    (tmp_path / "out/gpu.md").unlink()
    before = (tmp_path / "out/good.json").read_bytes()
    assert run_session(parts, setting(tmp_path), minutes=1, chosen=[])
    assert (tmp_path / "out/good.json").read_bytes() == before
    text = (tmp_path / "out/gpu.md").read_text()
    for line in ("Measured before.", "Measured in part.", "Not chosen.", "| 0.5 |", "| kept |"):
        assert line in text


MEETS = """
mine, other = {names}
open(path + mine, "w").close()
while not os.path.exists(os.path.join(os.path.dirname(path), other)):
    time.sleep(0.01)
write(rows={{'a': [[0.5]]}}, on={{'a': 0}}, conditions=[], complete=True)
"""


def test_parts_of_a_stage_run_at_once(tmp_path):
    parts = [
        part("one", MEETS.format(names=("-met", "two.json-met")), stage="both"),
        part("two", MEETS.format(names=("-met", "one.json-met")), stage="both"),
        part("three", GOOD),
    ]
    assert run_session(parts, setting(tmp_path), minutes=0.5)


def test_an_interrupted_session_leaves_no_process(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmresneskt.paper.gpu.session.write_report", interrupt)
    parts = [part("good", GOOD, stage="both"), part("hangs", HANGS, stage="both")]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_session(parts, setting(tmp_path), minutes=5)
    assert time.monotonic() - start < 60
    found = read(tmp_path, "hangs") if (tmp_path / "out/hangs.json").exists() else None
    assert not found or not is_running(found["rows"]["a"][0][0])


def test_a_process_that_breaks_down_is_followed_by_another(tmp_path):
    assert not run_session([part("dies", DIES)], setting(tmp_path), minutes=1)
    found = read(tmp_path, "dies")
    assert found["failed"] == {f"step {n}": "the process ended with exit code -11" for n in (0, 1)}
    assert found["rows"] == {"last": [["reached"]]}


def test_a_rehearsals_figures_are_not_mixed_with_others(tmp_path):
    Record(tmp_path / "out/good.json").update(rehearsal=True)
    with pytest.raises(UserError, match="good.json is a rehearsal's: give another --out"):
        run_session([part("good", GOOD)], setting(tmp_path), minutes=1)


class Steps:
    """A part that counts its calls; the second step fails, the third breaks the device."""

    HEADER = ("step",)

    def __init__(self):
        self.calls = []

    def steps(self, _):
        return {name: lambda name=name: self.take(name) for name in ("one", "two", "three", "four")}

    def take(self, name):
        self.calls.append(name)
        if name == "two":
            raise ValueError("of its own")
        if name == "three":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return [[name]]


def test_a_step_that_raises_is_written_down_and_the_next_one_runs(tmp_path, monkeypatch):
    module = Steps()
    monkeypatch.setattr("importlib.import_module", lambda *_: module)
    path = tmp_path / "part.json"
    assert work("part", path, setting(tmp_path)) == EXIT_BROKEN
    assert work("part", path, setting(tmp_path)) == 1  # as the next process would
    assert module.calls == ["one", "two", "three", "four"]
    content = Record(path).content
    assert content["rows"] == {"one": [["one"]], "four": [["four"]]}
    assert content["failed"]["two"] == "ValueError: of its own"
    assert (content["ended"], content["complete"], content["running"]) == (True, False, None)
    assert content["conditions"][content["on"]["one"]]["hardware"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--parts", "bakbone"], "Did you mean backbone?"),
        (["--bccd", "missing"], "--bccd missing does not exist"),
        *([] if torch.cuda.is_available() else [([], "torch sees no GPU; --rehearse runs")]),
    ],
)
def test_a_users_mistake_is_named(arguments, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=text.replace("?", r"\?")):
        call("gpu", arguments)
    assert not os.listdir(tmp_path)


def test_an_error_above_its_tolerance_is_a_failure():
    assert row("x", 0.1, None, (0.2,)) == [["x", 0.1, "-", "0.2"]]
    for errors in ((0.3, None), (0.1, 0.3), (float("nan"), None)):
        with pytest.raises(AssertionError, match="tolerances"):
            row("x", *errors, (0.2, 0.2))


def test_a_wrong_gradient_is_found(monkeypatch):
    class Wrong(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model
            model.layer3.register_full_backward_hook(lambda _, grads, __: [-g for g in grads])

        def forward(self, x):
            return self.model(x)

    with pytest.raises(AssertionError, match="errors"):
        network.trained("wrong", "cpu", change=Wrong)


@pytest.fixture
def rehearsal(tmp_path):
    (tmp_path / "work").mkdir()
    return setting(tmp_path, rehearse=True)


def take(module, rehearsal, names=None):
    for name, step in module.steps(rehearsal).items():
        if names is None or name in names:
            for found in step():
                assert len(found) == len(module.HEADER)


@FLOAT16
def test_rehearsal_of_correct(rehearsal):
    take(correct, rehearsal)


@FLOAT16
def test_correct_reaches_every_operator_that_is_served(monkeypatch):
    extension = sys.modules.get(EXTENSION)
    if not isinstance(extension, Extension):
        pytest.skip("mmcv has compiled operators")
    called = {"get_compiler_version", "get_compiling_cuda_version"}
    called |= {"carafe_naive_forward", "carafe_naive_backward"}  # carafe's under other names

    def recorded(name, function):
        return lambda *args, **kwargs: (called.add(name), function(*args, **kwargs))[1]

    for name, function in OPERATORS.items():
        monkeypatch.setitem(extension.__dict__, name, recorded(name, function))
    for step in operators.steps("cpu").values():
        step()
    assert called == {*OPERATORS}


def test_rehearsal_of_triton(rehearsal):
    take(triton_part, rehearsal, ["Triton, bfloat16, NHWC"])


def test_rehearsal_of_backbone(rehearsal):
    pytest.importorskip("mmpretrain")
    take(backbone, rehearsal, ["eager, bfloat16, inference"])


def test_rehearsal_of_profiled(rehearsal):
    pytest.importorskip("mmpretrain")
    take(profiled, rehearsal)


def test_rehearsal_of_detector(rehearsal):
    take(detector, rehearsal)


def test_rehearsal_of_zoo(rehearsal):
    take(zoo_part, rehearsal)


def test_what_a_session_on_a_gpu_will_do(tmp_path, monkeypatch):
    """Steps alone: every config is there, and the compiler is asked for."""
    real = setting(tmp_path, bccd=tmp_path, photos=tmp_path)
    for name in zoo_part.steps(real):
        assert (zoo_folder() / name).is_file()
    names = list(backbone.steps(real))
    assert names[0] == "eager, bfloat16, training"
    assert len(names) == 4 + 2 * (1 + 5)
    (tmp_path / "photos/train").mkdir(parents=True)
    (tmp_path / "photos/test").mkdir()
    assert len(classify.steps(real)) == 3
    assert list(train_part.steps(real))[1] == "seed 1"
    assert [part.name for part in PARTS][:2] == ["correct", "triton"]


def test_rehearsal_of_survive(rehearsal):
    take(survive, rehearsal, ["stop", "memory"])


def test_the_data_that_a_rehearsal_of_train_is_given(rehearsal):
    """The training itself, which `make gpu-rehearsal` has, takes three processes."""
    assert list(train_part.steps(rehearsal)) == ["seed 0"]
    cfg = run_config(TABLE3[0], "voc", 1, str(rehearsal.work / "cells"))
    data = find_data(cfg, "test")
    assert (data.train_images, data.test_images) == (4, 2)
    assert set(data.classes) <= set(KINDS)


def test_rehearsal_of_classify(rehearsal):
    pytest.importorskip("mmpretrain")
    take(classify, rehearsal)
