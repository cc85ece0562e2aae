"""``pip install .`` adds this package and touches nothing else."""

import json
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.support.helpers import ROOT


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy, so that the build leaves nothing in the repository."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "mmresneskt", folder / "mmresneskt")
    (folder / "tests").mkdir()
    texts = ("README.md", "requirements.txt", "requirements-demo.txt", "tests/requirements.txt")
    for name in ("pyproject.toml", *texts):
        shutil.copy(ROOT / name, folder / name)
    return folder


def pip(*arguments):
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_nothing_else_would_be_installed(source):
    report = pip(
        *("install", "--dry-run", "--quiet", "--no-build-isolation", "--no-index"),
        *("--report", "-", source),
    )
    names = [item["metadata"]["name"] for item in json.loads(report)["install"]]
    assert names == ["mmresneskt"]


def test_the_wheel_holds_the_package_with_its_types_and_the_stack_as_an_extra(source, tmp_path):
    pip("wheel", "--quiet", "--no-build-isolation", "--no-deps", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(archive.read(n).decode() for n in names if n.endswith("METADATA"))
    assert {"mmresneskt/py.typed", "mmresneskt/runtime/report/report.html.j2"} <= set(names)
    assert "mmresneskt/data/parcels/kinds.py" in names
    assert not [n for n in names if n.startswith("tests")]
    required = re.findall(r"^Requires-Dist: ([\w-]+)([^\n]*)", metadata, re.MULTILINE)
    assert {name for name, rest in required if "extra ==" not in rest} == {
        *("torch", "torchvision", "jinja2", "matplotlib"),
    }
    extra = {name for name, rest in required if 'extra == "openmmlab"' in rest}
    assert {"mmengine", "mmcv-lite", "mmdet", "mmpretrain"} <= extra
    assert [name for name, rest in required if 'extra == "demo"' in rest] == ["gradio"]
