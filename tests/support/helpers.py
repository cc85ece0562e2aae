"""What several tests need."""

import functools
import importlib
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.support.python import python

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
# before torch 2.4 the CPU computes little in float16
REDUCED = [*([torch.float16] if torch.__version__ >= "2.4" else []), torch.bfloat16]


def not_on_torch_2_1(reason: str) -> pytest.MarkDecorator:
    """Skip on the oldest torch what it cannot do itself."""
    return pytest.mark.skipif(torch.__version__ < "2.2", reason=f"torch 2.1 {reason}")


NOT_DENSE = [
    pytest.param(
        torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]),
        id="nested",
        marks=not_on_torch_2_1("does not save nested tensors"),
    ),
    pytest.param(torch.empty(3, device="meta"), id="meta"),
    pytest.param(torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), id="quantised"),
    pytest.param(torch.ones(3).to_sparse(), id="sparse"),
]
"""Tensors that are no plain dense ones."""


def randomize(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and statistic a value that matters, zeros included."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
            elif not parameter.any():
                parameter.normal_(0, 0.1, generator=generator)
    return model


def skip_without(*modules: str) -> None:
    """Skip a test, or all of a file, where one cannot be imported, whatever it raises.

    xtcocotools that was built for another NumPy raises ValueError.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            reason = f"{module} cannot be imported: {error}"
            pytest.skip(reason, allow_module_level=True)


def run_tool(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run a command as a user would, from the folder ``cwd``."""
    output = dict(capture_output=True, text=True, timeout=600)
    return subprocess.run(_command(name, arguments), cwd=cwd, **output)


def start_tool(name: str, *arguments: object, cwd: Path) -> subprocess.Popen:
    """The same in the background, both outputs as one stream of lines."""
    output = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # tests that run as a job in the background would hand on that Ctrl-C is ignored
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(_command(name, arguments), cwd=cwd, preexec_fn=heeds, **output)


def _command(name: str, arguments: tuple) -> list[str]:
    return [python(), "-m", "mmresneskt", name, *map(str, arguments)]
