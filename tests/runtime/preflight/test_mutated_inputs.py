"""Damaged annotations and images: a message or a counted skip. The long form is in soak/."""

from collections import Counter

import pytest

from mmresneskt.runtime.preflight.datasets import annotation_problems, dataset_problems
from tests.support.check_mutated import (
    coco_tree,
    skipped_by_a_loader,
    try_annotations,
    try_image,
    voc_tree,
)

SEEDS = range(20, 50)
pytestmark = pytest.mark.usefixtures("frozen")


@pytest.mark.parametrize("tree", [coco_tree, voc_tree])
def test_damaged_annotations(tree, tmp_path):
    cfg, file = tree(tmp_path)
    good = file.read_text()
    assert not list(annotation_problems(cfg, ("train",)))
    assert not list(dataset_problems(cfg, ("train",)))
    outcomes = Counter(try_annotations(cfg, file, good, seed) for seed in SEEDS)
    assert outcomes["refused"]
    assert outcomes["usable"]


def test_damaged_images(tmp_path):
    outcomes = Counter(try_image(seed) for seed in SEEDS)
    assert outcomes["decoded"]
    (tmp_path / "images").mkdir()
    assert skipped_by_a_loader(tmp_path / "images", SEEDS) == outcomes["skipped"]
