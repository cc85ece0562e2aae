"""A run of mmengine's that takes milliseconds an iteration, to be killed and resumed."""

import contextlib
import ctypes
import multiprocessing
import os
import random
import resource
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.pyplot  # noqa: F401
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import Dataset

from mmresneskt.cli import explained
from mmresneskt.runtime.distributed import close_group, prepare
from mmresneskt.runtime.fault_tolerance import Stop, fault_tolerant, handle_failures
from mmresneskt.runtime.fault_tolerance.resume import set_resume
from mmresneskt.runtime.launcher import leave
from mmresneskt.runtime.runner import run_checked

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


@DATASETS.register_module(force=True)
class ToySet(Dataset):
    """Numbers, disturbed by all generators that a transform might draw from; some are nan."""

    metainfo = dict(classes=("one",))

    def __init__(self, length=24, bad=()):
        self.length, self.bad = length, bad

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        value = float("nan") if index in self.bad else index / self.length + noise
        return dict(
            x=torch.full((4,), value),
            y=torch.tensor([float(index % 3)]),
            sample=BaseDataElement(metainfo=dict(img_path=f"{index}.png")),
        )


@MODELS.register_module(force=True)
class ToyModel(BaseModel):
    """A batch norm, dropout and two layers."""

    def __init__(self, width=8):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), nn.BatchNorm1d(width), nn.Dropout(0.5), nn.Linear(width, 1)
        )

    def forward(self, x, y, sample, mode="loss"):
        x, y = (torch.stack(v) if isinstance(v, (list, tuple)) else v for v in (x, y))
        out = self.layers(x)
        if mode == "loss":
            error = (out - y) ** 2
            return dict(loss_square=error, loss_size=0.1 * out.abs().mean(), size=out.std())
        return [dict(value=value) for value in out]


@METRICS.register_module(force=True)
class ToyMetric:
    """The mean of what the model gives."""

    def __init__(self):
        self.values, self.dataset_meta = [], None

    def process(self, data_batch, data_samples):
        self.values += [float(sample["value"]) for sample in data_samples]

    def evaluate(self, size):
        values, self.values = self.values, []
        return dict(mean=sum(values) / len(values))


@HOOKS.register_module(force=True)
class LossFileHook(Hook):
    """A line for each iteration, ``iteration loss``, exactly, into ``losses.RANK``."""

    priority = "VERY_HIGH"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if outputs:
            with Path(runner.work_dir, f"losses.{get_rank()}").open("a") as file:
                file.write(f"{runner.iter + 1} {outputs['loss'].item().hex()}\n")


@HOOKS.register_module(force=True)
class MetricFileHook(Hook):
    """A line for each evaluation, ``iteration metric``, exactly, into ``metrics.0``."""

    def after_val_epoch(self, runner, metrics=None):
        with Path(runner.work_dir, f"metrics.{get_rank()}").open("a") as file:
            file.write(f"{runner.iter} {metrics['mean'].hex()}\n")


@HOOKS.register_module(force=True)
class SleepHook(Hook):
    """Make each iteration longer; the file ``asleep`` says that the first has begun."""

    def __init__(self, seconds):
        self.seconds = seconds

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        Path(runner.work_dir, "asleep").write_text("1")
        time.sleep(self.seconds)


@HOOKS.register_module(force=True)
class SignalHook(Hook):
    """Send SIGTERM in the middle of an epoch's evaluation."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if (runner.epoch, batch_idx) == (self.epoch, 1):
            os.kill(os.getpid(), signal.SIGTERM)


@HOOKS.register_module(force=True)
class LinkHook(Hook):
    """Give each checkpoint a second name, and make a copy of it, before the evaluation."""

    priority = "LOWEST"

    def after_train_epoch(self, runner):
        name = f"epoch_{runner.epoch + 1}.pth"
        for folder, put in (("links", os.link), ("copies", shutil.copy)):
            Path(runner.work_dir, folder).mkdir(exist_ok=True)
            put(Path(runner.work_dir, name), Path(runner.work_dir, folder, name))


@HOOKS.register_module(force=True)
class LimitFilesHook(Hook):
    """From an epoch on, no file can grow beyond 64 KiB: a full disk where none can be mounted."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


def config(work_dir, by_epoch=True, length=4, **changes):
    """A config; ``changes`` by dotted keys."""
    loader = dict(
        dataset=dict(type="ToySet"),
        sampler=dict(type="DefaultSampler" if by_epoch else "InfiniteSampler", shuffle=True),
        batch_size=4,
        num_workers=0,
    )
    every = dict(max_epochs=length) if by_epoch else dict(max_iters=length)
    cfg = Config(
        dict(
            work_dir=str(work_dir),
            model=dict(type="ToyModel"),
            train_dataloader=loader,
            val_dataloader=dict(loader, sampler=dict(type="DefaultSampler", shuffle=False)),
            val_evaluator=dict(type="ToyMetric"),
            val_cfg=dict(),
            train_cfg=dict(by_epoch=by_epoch, val_interval=1 if by_epoch else 5, **every),
            optim_wrapper=dict(optimizer=dict(type="Adam", lr=0.01)),
            param_scheduler=[dict(type="LinearLR", start_factor=0.1, end=10, by_epoch=False)],
            randomness=dict(seed=0),
            default_hooks=dict(
                checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=by_epoch)
            ),
            custom_hooks=[dict(type="LossFileHook")],
            log_level="WARNING",
            launcher="none",
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


def train(cfg, resume="auto", **options):
    """What ``tools/train.py`` does with a config that has been read."""
    set_resume(cfg, resume)
    prepare(cfg)
    runner = fault_tolerant(Runner).from_cfg(cfg)
    try:
        with handle_failures(runner, leave, **options):
            run_checked(runner, "train")
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        close_group()
        leave(stop.code)
    return runner


def losses(work_dir, rank=0, what="losses"):
    """The loss of each iteration (or its metric); of those trained again, the last one."""
    lines = Path(work_dir, f"{what}.{rank}").read_text().splitlines()
    return {int(step): float.fromhex(loss) for step, loss in map(str.split, lines)}


def start(work_dir, **settings):
    """Train in a process of its own, of multiprocessing's.

    It is forked from a process that has imported this module and computed nothing: a fork of
    one that has computed may wait for its threads for ever.
    """
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    process = _FORKS.Process(target=_train_alone, args=(work_dir, settings))
    process.start()
    return process


def _train_alone(work_dir, settings):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not to outlive the tests
    multiprocessing.set_start_method(None, force=True)  # that of the loaders' workers
    os.environ.update(settings.pop("environment", {}))
    log = os.open(
        Path(work_dir, settings.pop("log", "log")), os.O_WRONLY | os.O_CREAT | os.O_APPEND
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = sys.stderr = os.fdopen(log, "w", buffering=1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        options = settings.pop("options", {})
        with explained():
            train(config(work_dir, **settings), **options)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def start_pair(work_dir, second=None, **settings):
    """Two processes of one run; each has a log of its own, ``log.0`` and ``log.1``.

    Args:
        second: the work folder of the second, as where a machine has a disk of its own.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE="2")
    group.update(GLOO_SOCKET_IFNAME="lo")
    return [
        start(
            folder,
            launcher="pytorch",
            log=f"log.{rank}",
            environment=dict(group, RANK=str(rank), LOCAL_RANK=str(rank)),
            **settings,
        )
        for rank, folder in enumerate((work_dir, second or work_dir))
    ]


def ticks(seconds):
    """Yield every few milliseconds; time for which the processes are suspended does not count."""
    for _ in range(int(seconds / 0.004)):
        yield
        time.sleep(0.004)


def finish(child, seconds=60):
    """The exit code of a process that was started; that of a killed one is negative."""
    for _ in ticks(seconds):
        if child.exitcode is not None:
            return child.exitcode
    child.kill()
    child.join()
    raise TimeoutError(f"no end within {seconds} s")


def wait_for(path, size=1, seconds=60):
    """Wait until a file has so many bytes."""
    for _ in ticks(seconds):
        with contextlib.suppress(FileNotFoundError):
            if Path(path).stat().st_size >= size:
                return
    raise TimeoutError(f"{path} did not grow within {seconds} s")


def log(work_dir):
    return Path(work_dir, "log").read_text()
