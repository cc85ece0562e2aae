"""A thousand damaged annotation files and a thousand damaged JPEGs."""

import resource
import time
from collections import Counter

import pytest

from tests.support.check_mutated import (
    coco_tree,
    skipped_by_a_loader,
    try_annotations,
    try_image,
    voc_tree,
)
from tests.support.helpers import run_tool

MEMORY = 4 * 2**20
"""KiB: that of the libraries and of the largest image allowed, a few times over."""
SLOWEST = 30
"""Seconds for one file: a hang."""


@pytest.fixture(autouse=True)
def _bounded(frozen):
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MEMORY


def outcomes(what, seeds):
    found = Counter()
    for seed in seeds:
        start = time.monotonic()
        found[what(seed)] += 1
        assert time.monotonic() - start < SLOWEST, seed
    print(dict(found))
    return found


@pytest.mark.parametrize("tree", [coco_tree, voc_tree])
def test_five_hundred_annotation_files(tree, tmp_path):
    cfg, file = tree(tmp_path)
    good = file.read_text()
    found = outcomes(lambda seed: try_annotations(cfg, file, good, seed), range(500))
    assert found["refused"] + found["usable"] == 500


def test_a_thousand_jpegs(tmp_path):
    found = outcomes(try_image, range(1000))
    (tmp_path / "images").mkdir()
    assert skipped_by_a_loader(tmp_path / "images", range(1000)) == found["skipped"]


@pytest.mark.parametrize("seed", range(6))
def test_on_the_command_line(tmp_path, seed):
    cfg, file = (coco_tree, voc_tree)[seed % 2](tmp_path)
    expected = try_annotations(cfg, file, file.read_text(), seed)
    cfg.dump(tmp_path / "config.py")
    done = run_tool("check", tmp_path / "config.py", cwd=tmp_path)
    assert done.returncode == 2  # the config has no model
    assert str(file) in done.stdout or expected == "usable"
    assert "Traceback" not in done.stdout + done.stderr
