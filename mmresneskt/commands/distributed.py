"""Several processes: what mmengine leaves to be done for them on CPUs."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from typing import NoReturn

import torch
from mmengine.config import Config
from torch import distributed

from ..sync_bn import replace_sync_bn

_RANK, _RESTARTS = "RANK", "TORCHELASTIC_RESTART_COUNT"
_LAUNCHED = "MMRESNESKT_LAUNCHED"  # seconds since 1970
_OUTCOME = "MMRESNESKT_OUTCOME"  # a file for the exit code


def is_main_process() -> bool:
    """Whether this process is the one that speaks, before as after it has met the others."""
    return os.environ.get(_RANK, "0") == "0"


def started_again() -> float | None:
    """When this launch began (seconds since 1970), if torchrun has started its processes again.

    That is after one of them had died. Checkpoints from before the launch, whose time
    torchrun.sh hands on, are another run's, or what this one was told to start from.
    """
    if int(os.environ.get(_RESTARTS, 0)) == 0 or _LAUNCHED not in os.environ:
        return None
    return float(os.environ[_LAUNCHED])


def leave(code: int) -> NoReturn:
    """End this process, as all of its group do, with an exit code.

    torchrun would start them again on any code but 0: torchrun.sh is told the code by a file.
    """
    sys.exit(0 if _tell(code) else code)


def give_up(code: int) -> NoReturn:
    """End this process with an exit code for a mistake that it would meet again.

    Of its group it may be the only one: the others are ended by torchrun, started again, and
    end then by :func:`leave_if_told`. The file is for one machine; of several, each tries again.
    """
    if os.environ.get("WORLD_SIZE") == os.environ.get("LOCAL_WORLD_SIZE"):
        _tell(code)
    sys.exit(code)


def _tell(code: int) -> bool:
    """Tell torchrun.sh the exit code, if there is one to tell; the first code stays."""
    outcome = os.environ.get(_OUTCOME)
    if outcome and not Path(outcome).read_text():
        Path(outcome).write_text(str(code))
    return bool(outcome)


def leave_if_told() -> None:
    """End this process if torchrun.sh was told to stop before this process could have been."""
    outcome = os.environ.get(_OUTCOME)
    if outcome and Path(outcome).is_file() and Path(outcome).read_text():
        sys.exit(0)


def close_group() -> None:
    """Close the group of processes, once all have come to the same end.

    A process that ends with its group open aborts now and then (gloo, 11 of 60 runs of torch
    2.11), and its launcher takes that for a failure.
    """
    if distributed.is_initialized():
        distributed.barrier()  # one that left early would break what another still waits for
        distributed.destroy_process_group()


def prepare(cfg: Config) -> None:
    """Make a config for several processes (``launcher`` pytorch) run where there is no GPU.

    The processes meet through gloo, which mmengine would try on a GPU, and SyncBN, which
    has no CPU form, becomes BN, as mmengine has it for one process.
    """
    if cfg.get("launcher") != "pytorch" or torch.cuda.is_available():
        return
    if not distributed.is_initialized():
        seconds = cfg.get("env_cfg", {}).get("dist_cfg", {}).get("timeout")
        limit = dict(timeout=datetime.timedelta(seconds=seconds)) if seconds else {}
        distributed.init_process_group("gloo", **limit)
    wrapper = dict(
        type="MMDistributedDataParallel",
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get("find_unused_parameters", False),
    )
    if not cfg.get("model_wrapper_cfg"):
        cfg.model_wrapper_cfg = wrapper
    if replace_sync_bn(cfg.model) and is_main_process():
        print("SyncBN does not run on CPUs: BN takes its place in every process")
