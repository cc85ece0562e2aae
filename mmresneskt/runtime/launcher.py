"""What a process knows of its launcher, and tells it: torchrun.sh, Slurm or MPI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
_RESTARTS = "TORCHELASTIC_RESTART_COUNT"
_LAUNCHED = "MMRESNESKT_LAUNCHED"  # seconds since 1970
_OUTCOME = "MMRESNESKT_OUTCOME"  # a file for the exit code


def is_main_process() -> bool:
    """Whether this process is the one that speaks, before as after it has met the others."""
    return next((os.environ[name] for name in _RANKS if name in os.environ), "0") == "0"


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
