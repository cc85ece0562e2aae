"""What a work folder has of its run: the config and the command."""

from __future__ import annotations

from pathlib import Path

from ..config.installed import newest_config
from ..errors import UserError

COMMAND = "command: "
"""What the line of a run's log begins with that names its command."""


def config_of(folder: Path) -> Path:
    """The newest config in a work folder.

    Raises:
        UserError: there is none.
    """
    newest = newest_config(folder)
    if newest is None:
        raise UserError(f"{folder} is no work folder of a run: there is no config (*.py) in it")
    return newest


def command_of(folder: Path) -> str:
    """The command of the newest start that the logs of a work folder know; else nothing."""
    for log in sorted(folder.glob("*/*.log"), reverse=True):
        with log.open(errors="replace") as lines:
            for line in lines:
                if COMMAND in line:
                    return line.partition(COMMAND)[2].strip()
    return ""
