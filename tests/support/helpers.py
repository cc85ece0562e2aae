"""What several tests need."""

import functools
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
# before torch 2.4 the CPU computes little in float16
REDUCED = [*([torch.float16] if torch.__version__ >= "2.4" else []), torch.bfloat16]

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["torch._dynamo", "torchvision", "matplotlib.pyplot", "scipy.optimize", "pycocotools.cocoeval"]
)


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
    """Run a command as a user would, from the folder ``cwd``.

    The process is a fork of one that has imported other people's libraries, which take longer
    than most commands, and nothing of the MM libraries or of this package.
    """
    command = [name, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, stream) for stream in ("stdout", "stderr")]
        process = _FORKS.Process(target=_call, args=(command, cwd, dict(os.environ), files))
        process.start()
        process.join(600)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, 600)
        outputs = (file.read_text() for file in files)
        return subprocess.CompletedProcess(command, process.exitcode, *outputs)


def _call(command: list[str], cwd: Path, environment: dict[str, str], files: list[Path]) -> None:
    """In the fork: what ``python -m mmresneskt`` does."""
    for descriptor, file in zip((1, 2), files):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    multiprocessing.set_start_method(None, force=True)  # a new process has none yet
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(ROOT / "mmresneskt" / "__main__.py"), *command]
    runpy.run_module("mmresneskt", run_name="__main__", alter_sys=True)


def start_tool(name: str, *arguments: object, cwd: Path) -> subprocess.Popen:
    """The same in the background, both outputs as one stream of lines."""
    output = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # tests that run as a job in the background would hand on that Ctrl-C is ignored
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(_command(name, arguments), cwd=cwd, preexec_fn=heeds, **output)


def _command(name: str, arguments: tuple) -> list[str]:
    return [sys.executable, "-m", "mmresneskt", name, *map(str, arguments)]
