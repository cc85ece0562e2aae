"""Table 1's sizes, at 224x224 with a head of 1000 classes."""

import functools

import pytest
import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from mmresneskt import ResNeSkt

LITERAL = dict(
    cardinality=32,
    base_width=4,
    attention_groups=1,
    reduction_factor=16,
    spatial_share_kernels=False,
    deep_stem=False,
    avg_down=False,
)


@functools.cache
def sizes(depth, literal=False):
    """Parameters in M and multiply-accumulates of convolutions and linear layers in G."""
    backbone = ResNeSkt(depth, out_indices=(3,), **(LITERAL if literal else {})).eval()
    head = nn.Linear(2048, 1000)
    parameters = sum(p.numel() for m in (backbone, head) for p in m.parameters())
    analyzer = FlopAnalyzer(backbone, torch.rand(1, 3, 224, 224))
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    operations = analyzer.by_operator()["conv"] + 2048 * 1000
    return parameters / 1e6, operations / 1e9


@pytest.mark.parametrize(("depth", "paper"), [(50, 27.6), (101, 48.3), (200, 70.1)])
def test_parameters_are_the_papers_within_0_6_percent(depth, paper):
    parameters, _ = sizes(depth)
    assert parameters == pytest.approx(paper, rel=0.006)


@pytest.mark.parametrize(("depth", "paper"), [(50, 4.32), (101, 8.19)])
def test_operations_are_the_papers_within_3_percent(depth, paper):
    _, operations = sizes(depth)
    assert operations == pytest.approx(paper, rel=0.03)


@pytest.mark.parametrize(
    ("depth", "parameters", "operations"),
    [(50, 27.10, 4.28), (101, 48.10, 8.03), (200, 70.49, None)],
)
def test_the_literal_reading(depth, parameters, operations):
    found = sizes(depth, literal=True)
    assert found[0] == pytest.approx(parameters, rel=0.001)
    if operations:
        assert found[1] == pytest.approx(operations, rel=0.005)
