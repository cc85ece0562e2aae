"""Registered once in each library, and present without either."""

import importlib
import subprocess
import sys

import pytest
from mmdet.registry import MODELS as DETECTION
from mmpretrain.registry import MODELS as CLASSIFICATION

import mmresneskt
from mmresneskt import ResNeSkt
from mmresneskt.registration import register_backbone
from mmresneskt.runtime.environment import problem_of
from tests.support import python as forked
from tests.support.helpers import ROOT


@pytest.mark.parametrize("registry", [DETECTION, CLASSIFICATION], ids=["mmdet", "mmpretrain"])
@pytest.mark.parametrize("name", ["ResNeSkt", "mmdet.ResNeSkt", "mmpretrain.ResNeSkt"])
def test_one_class_under_every_name(registry, name):
    model = registry.build(dict(type=name, depth=14))
    assert type(model) is ResNeSkt


def test_a_second_import_and_a_reload_do_not_raise():
    importlib.reload(mmresneskt)
    assert register_backbone(ResNeSkt) == ("mmdet", "mmpretrain")


def test_a_name_that_another_package_took_is_an_error():
    class Other:
        pass

    Other.__name__ = "ResNeSkt"
    with pytest.raises(KeyError, match="ResNeSkt is already registered"):
        register_backbone(Other)
    assert DETECTION.get("ResNeSkt") is ResNeSkt


HIDE = """
import importlib.abc, importlib.util, sys
hidden = set(sys.argv[1].split(','))
class Hider(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in hidden:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Hider())
real = importlib.util.find_spec
importlib.util.find_spec = lambda n, *a: None if n.split('.')[0] in hidden else real(n, *a)
"""


def python(hidden, script):
    return subprocess.run(
        [forked.python(), "-c", HIDE + script, hidden], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("hidden", ["mmdet", "mmpretrain", "mmdet,mmpretrain"])
def test_works_without_the_other_libraries(hidden):
    script = """
import torch
from mmresneskt import ResNeSkt
print([tuple(o.shape) for o in ResNeSkt(14).eval()(torch.rand(1, 3, 32, 32))][-1])
print(*(hidden & {n.split('.')[0] for n in sys.modules}))
"""
    result = python(hidden, script)
    assert result.stdout.splitlines() == ["(1, 2048, 1, 1)", ""], result.stderr


def test_a_missing_foundation_is_said_in_one_line():
    for name, remedy in (("mmengine", "mmengine>="), ("mmcv", "mmcv-lite>=")):
        result = python(name, "import mmresneskt")
        last = result.stderr.splitlines()[-1]
        assert last.startswith(f"ImportError: {name} is not installed: pip install '{remedy}")


def test_a_folder_that_pip_left_behind_is_no_library(tmp_path, monkeypatch):
    """It keeps what it has not put there, such as what "mmresneskt ops install" writes."""
    (tmp_path / "mmcv").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "mmcv")
    assert problem_of("mmcv").startswith("mmcv is not installed: pip install 'mmcv-lite>=")


def test_a_library_that_is_too_old_is_said_in_one_line():
    script = "import mmdet; mmdet.__version__ = '2.28.0'; import mmresneskt; print('imported')"
    result = python("", script)
    assert "goes on without mmdet: mmdet 2.28.0 is older than 3.0.0" in result.stderr
    assert result.stdout.strip() == "imported"


def test_importing_loads_neither_librarys_models():
    script = "import mmresneskt; print([n for n in sys.modules if n.endswith('.models')])"
    result = python("", script)
    assert result.returncode == 0, result.stderr
    assert not {"mmdet.models", "mmpretrain.models"} & set(eval(result.stdout))
