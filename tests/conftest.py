"""Importing the package first makes ``mmcv.ops`` importable for every test."""

import gc
import os

import hypothesis
import pytest
import torch

if not torch.cuda.is_available():  # before Triton is imported
    os.environ["TRITON_INTERPRET"] = "1"

import mmresneskt  # noqa: F401

hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")  # the same examples in every run


@pytest.fixture
def frozen():
    """mmengine collects garbage for each dataset that is built: not over all of the libraries."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
