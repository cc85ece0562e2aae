"""The command line as a whole: help, mistakes, and where it is started from."""

import argparse
import os
import subprocess
import sys

import pytest

from mmresneskt.cli import COMMANDS, call, main
from mmresneskt.cli.config import options
from mmresneskt.runtime import conditions
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.launcher import is_main_process
from mmresneskt.runtime.limits import MAX_PIXELS
from tests.support.helpers import ROOT, run_tool

HEAVY = ("torch", "mmengine", "mmcv", "mmdet", "numpy", "cv2", "matplotlib")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(command, tmp_path):
    """So it is quick, and there where no MM library is installed."""
    code = f"""
import sys
sys.argv = {["mmresneskt", *command.split(), "--help"]}
from mmresneskt.cli import main
try:
    main()
finally:
    found = [name for name in {HEAVY} if name in sys.modules]
    assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: mmresneskt {command or 'COMMAND'}")


def test_scripts_and_modules_are_the_same_command(tmp_path):
    for program in ([str(ROOT / "tools/train.py")], ["-m", "mmresneskt", "train"]):
        done = subprocess.run(
            [sys.executable, *program, "missing.py"], capture_output=True, text=True, cwd=tmp_path
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: config missing.py does not exist.\n"


@pytest.mark.parametrize("program", [["-m", "mmresneskt"], ["mmresneskt"]])
def test_what_a_library_spawns_has_mmcvs_operators(program, tmp_path):
    """As MMRotate's evaluation does, to compare boxes."""
    files = {
        "mmresneskt": "from mmresneskt.cli import main\nif __name__ == '__main__':\n    main()\n",
        "apart.py": """
import torch
from mmcv.ops import box_iou_rotated
def overlap():
    box = torch.tensor([[5.0, 5, 4, 2, 0.3]])
    return box_iou_rotated(box, box).item()
""",
        "library.py": """
from multiprocessing import get_context
import apart
with get_context("spawn").Pool(1) as pool:
    print("overlap", round(pool.apply(apart.overlap), 4))
""",
        "config.py": f"""
_base_ = {str(ROOT / "configs/resneskt_parcels10.py")!r}
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.classification", "library"])
""",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, *program, "complexity", "config.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "overlap 1.0" in done.stdout + done.stderr


def test_opencv_has_the_limit_of_pixels_too(monkeypatch):
    """It reads it when it is loaded, and some formats' headers may be read in two ways."""
    monkeypatch.delenv("OPENCV_IO_MAX_IMAGE_PIXELS", raising=False)
    with pytest.raises(UserError):
        call("train", ["missing.py"])
    assert os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] == str(MAX_PIXELS)
    code = """
import cv2, numpy
data = cv2.imencode(".png", numpy.zeros((100, 100), numpy.uint8))[1]
try:
    print(cv2.imdecode(data, 1) is None)
except cv2.error:
    print(True)
"""
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "9999")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_an_unknown_command_is_named():
    with pytest.raises(UserError, match="no command 'trian'. Did you mean train?"):
        call("trian", [])


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ("a=[dict(b=1,c=2)]", "key by key, as a.NAME=VALUE"),
        ("a=[{'b':1,'c':2}]", "key by key, as a.NAME=VALUE"),
        ("a=dict(b=1,c=2)", "key by key, as a.NAME=VALUE"),
        ("a={b:1}", "key by key, as a.NAME=VALUE"),
        ("a=[1,2", "brackets that do not match"),
        ("a=1)", "brackets that do not match"),
        ("a=['b)','(c']", "brackets that do not match"),
        ("a", "not KEY=VALUE"),
    ],
)
def test_an_option_that_mmengine_would_take_for_another(pair, why):
    with pytest.raises(UserError, match=f"^--cfg-options .*{why}") as raised:
        options(argparse.Namespace(cfg_options=[pair]))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["x (1)", "[(1,2),(3,4)]", "['a(b)','c']", "my_dict(1)"])
def test_an_option_with_brackets_that_match(text):
    options(argparse.Namespace(cfg_options=[f"a={text}"]))


def test_the_version_is_told(capsys):
    main(["--version"])
    assert capsys.readouterr().out.startswith("mmresneskt 0.")


@pytest.mark.parametrize("command", ["--help", "backbones"])
def test_a_reader_that_has_gone_is_no_error(command, tmp_path):
    reads, writes = os.pipe()
    os.close(reads)
    program = [sys.executable, "-m", "mmresneskt", command]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(program, env=environment, stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, b"")


def test_debug_shows_where_an_error_comes_from(tmp_path):
    done = run_tool("check", "missing.py", cwd=tmp_path)
    assert done.returncode == 2
    done = run_tool("train", "missing.py", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr


def test_without_an_mm_library_one_line_says_what_to_install(tmp_path):
    (tmp_path / "mmengine").mkdir()
    (tmp_path / "mmengine/__init__.py").write_text("raise ModuleNotFoundError(name='mmengine')")
    done = subprocess.run(
        [sys.executable, "-m", "mmresneskt", "train", "x.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"),
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: mmengine is not installed: pip install 'mmengine>=0.8.0'"
    ]


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"])
def test_one_process_speaks_under_every_launcher(name, monkeypatch):
    for other in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        monkeypatch.delenv(other, raising=False)
    assert is_main_process()
    monkeypatch.setenv(name, "1")
    assert not is_main_process()


def test_the_commit_is_this_packages_and_no_other_repositorys(tmp_path, monkeypatch):
    installed = tmp_path / "site/mmresneskt/runtime/conditions.py"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setattr(conditions, "__file__", str(installed))
    installed.parent.mkdir(parents=True)
    assert conditions.conditions()["commit"].startswith("of version 0.")
