"""MMPretrain's models import whatever transformers is installed.

These tests run without transformers: a package of that name and version 5, in which nothing that
MMPretrain asks for is found, takes its place.
"""

import os
import subprocess

import pytest

from mmresneskt.runtime import multimodal
from tests.support.helpers import ROOT
from tests.support.python import python

SCRIPT = """
import mmresneskt, mmpretrain.models, mmpretrain.datasets
from mmpretrain.registry import MODELS
print(MODELS.build(dict(type='SEResNet', depth=50)).depth)
try:
    MODELS.build(dict(type='BlipCaption'))
except ImportError as error:
    print(error)
"""


def run(folder, enable):
    (folder / "transformers").mkdir()
    (folder / "transformers" / "__init__.py").write_text("__version__ = '5.17.0'")
    (folder / "transformers-5.17.0.dist-info").mkdir()
    (folder / "transformers-5.17.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: transformers\nVersion: 5.17.0\n"
    )
    path = f"{folder}:{ROOT}"
    environment = dict(os.environ, PYTHONPATH=path, MMRESNESKT_ENABLE=enable)
    command = [python(), "-c", SCRIPT]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)


def test_classifiers_import_beside_transformers_5_and_the_rest_says_which_serves(tmp_path):
    done = run(tmp_path, enable="1")
    assert done.returncode == 0, done.stderr
    depth, message = done.stdout.splitlines()[-2:]
    assert depth == "50"
    assert "BlipCaption is of MMPretrain's multimodal part, which was left out: " in message
    assert "transformers" in message
    assert "pip install 'transformers>=4.28,<4.52' einops pycocotools" in message


def test_without_enable_mmpretrain_is_as_it_was(tmp_path):
    done = run(tmp_path, enable="0")
    assert done.returncode == 1
    assert "from transformers import" in done.stderr


@pytest.mark.parametrize(("name", "there"), [("Linear", True), ("NoLayerOfTorch", False)])
def test_a_transformers_that_has_what_is_needed_is_used(name, there, monkeypatch):
    monkeypatch.setattr(multimodal, "_imports", lambda: [("torch.nn", ["Module", name])])
    multimodal._missing.cache_clear()
    assert bool(multimodal._Usable(True)) is there
    assert not multimodal._Usable(False)
    multimodal._missing.cache_clear()


def test_what_mmpretrain_asks_transformers_for_is_read_from_it():
    asked = dict(multimodal._imports())
    assert "AutoTokenizer" in asked["transformers"]
    assert set(asked) >= {"einops", "transformers.modeling_utils"}
    assert not [module for module in asked if module.partition(".")[0] == "mmpretrain"]
