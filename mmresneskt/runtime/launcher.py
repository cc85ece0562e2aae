"""What a process knows of its launcher, and tells it: torchrun.sh, Slurm or MPI."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import NoReturn

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")
_RESTARTS = "TORCHELASTIC_RESTART_COUNT"
_LAUNCH = "MMRESNESKT_LAUNCH"
_OUTCOME = "MMRESNESKT_OUTCOME"  # a file for the exit code


def is_main_process() -> bool:
    """Whether this process is the one that speaks, before as after it has met the others."""
    return next((os.environ[name] for name in _RANKS if name in os.environ), "0") == "0"


LAUNCH = os.environ.get(_LAUNCH) or uuid.uuid4().hex
"""A name that no other launch has: torchrun.sh's, or this process's where it was not launched so.

Checkpoints carry the name of the launch that wrote them. Those with another are another run's, or
what this one was told to start from.
"""


def started_again() -> bool:
    """Whether torchrun.sh has started the processes of this launch again.

    That is after one of them had died.
    """
    return int(os.environ.get(_RESTARTS, 0)) > 0 and _LAUNCH in os.environ


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
