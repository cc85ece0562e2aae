"""Importing the package first makes ``mmcv.ops`` importable for every test."""

import gc

import pytest

import mmresneskt  # noqa: F401


@pytest.fixture
def frozen():
    """mmengine collects garbage for each dataset that is built: not over all of the libraries."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
