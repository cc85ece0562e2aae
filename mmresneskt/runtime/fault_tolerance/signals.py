"""Signals that end a run: it finishes its iteration, saves, and ends."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce, is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from .checkpoint_hook import SafeCheckpointHook
from .hooks import hooks_of, restore_weights, trains_by_epoch
from .stop import Stop

# SIGUSR1 is what `sbatch --signal=USR1@SECONDS` announces the end of a job's time with: by the
# convention for SIGTERM, since both say that the machine is wanted back
EXIT_CODES: dict[int, int] = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 143}


class StopOnSignalHook(Hook):
    """End the run, with a checkpoint to go on from, on SIGTERM, SIGINT (Ctrl-C) and SIGUSR1.

    The handlers are in place from this hook's making on, since data loaders' processes have to
    inherit them, to its :meth:`restore`. A second Ctrl-C ends the process at once, whatever it
    is doing. Of several processes all stop after the same iteration if one has had a signal:
    they ask each other after each, which costs one reduction of one number. A run that
    accumulates gradients first comes to the end of the accumulation. An evaluation is left at
    once by a single process, and finished by several.

    Args:
        leave: ends the process with an exit code, where no training is going on.

    Raises:
        Stop: from within the training, with exit code 143 (130 for SIGINT).
    """

    priority = "LOWEST"  # the other hooks have done their work for the iteration

    def __init__(self, leave: Callable[[int], Any] = sys.exit) -> None:
        self._leave = leave
        self._signal = 0
        self._training = False
        self._process = os.getpid()
        self._before = {number: signal.signal(number, self._handle) for number in EXIT_CODES}
        atexit.register(_end_loaders)

    def before_train(self, runner: Runner) -> None:
        self._training = True

    def after_train_iter(self, runner: Runner, batch_idx: int, *_: Any, **__: Any) -> None:
        if trains_by_epoch(runner) and batch_idx + 1 == len(runner.train_dataloader):
            return  # the epoch's own checkpoint comes first
        if not _is_accumulating(runner.optim_wrapper):
            self._stop_if_asked(runner, runner.epoch, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        if trains_by_epoch(runner):
            self._stop_if_asked(runner, runner.epoch + 1, runner.iter)

    def after_val_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        if self._training and self._signal and not is_distributed():
            if runner.exact_resume.evaluating:
                restore_weights(runner)
            self._stop_if_asked(runner, runner.epoch, runner.iter)

    def after_train(self, runner: Runner) -> None:
        self._training = False

    def restore(self) -> None:
        """Put the handlers back that were there before."""
        for number, handler in self._before.items():
            # None is what C code has installed, which Python cannot
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:
            return  # a data loader's, which Ctrl-C reaches too: the batch is still wanted
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if not self._training:
            self._leave(EXIT_CODES[number])
        if not self._signal and is_main_process():
            name = signal.Signals(number).name
            text = f"{name}: stopping after this iteration, with a checkpoint. Ctrl-C: at once\n"
            os.write(2, text.encode())  # print may be what has been interrupted
        self._signal = self._signal or number

    def _stop_if_asked(self, runner: Runner, epoch: int, iteration: int) -> None:
        number = self._signal
        if is_distributed():
            flag = torch.tensor(number)
            all_reduce(flag, "max")
            number = int(flag)
        if not number:
            return
        hooks = hooks_of(runner, SafeCheckpointHook)
        saved = hooks[0].save_now(runner, epoch, iteration) if hooks else None
        how = f"saved {saved}, and --resume goes on from it" if saved else "without a checkpoint"
        name = signal.Signals(number).name
        raise Stop(f"stopped by {name} after iteration {iteration}: {how}", EXIT_CODES[number])


def _end_loaders() -> None:
    """Kill the data loaders' processes of a run that an error has ended.

    Python would send them SIGTERM, which they have inherited a deaf ear for, and wait for ever.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler takes it for a crash
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def _is_accumulating(wrapper: Any) -> bool:
    # of several optimizers (a GAN's) each has steps of its own
    several = isinstance(wrapper, OptimWrapperDict) or not isinstance(wrapper, OptimWrapper)
    return not several and not wrapper.should_update()
