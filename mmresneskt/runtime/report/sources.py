"""What a work folder has of its run: the config, the best checkpoint, the command."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..checkpoint.integrity import sha256_of
from ..config.installed import newest_config
from ..errors import UserError
from ..fault_tolerance.newest_valid import named, numbered
from ..trained import read_checkpoint
from ..work_folder import best_checkpoints

COMMAND = "command: "
"""What the line of a run's log begins with that names its command."""


class Checkpoint(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        name: path or URL.
        content: see :func:`mmresneskt.runtime.trained.read_checkpoint`.
        skipped: those that would have come before it, each with the reason.
    """

    name: str
    content: dict
    skipped: list[str]

    def sha256(self) -> str:
        """Of the file; nothing of a URL."""
        if not Path(self.name).is_file():
            return ""
        with open(self.name, "rb") as file:
            return sha256_of(file)


def config_of(folder: Path) -> Path:
    """The newest config in a work folder.

    Raises:
        UserError: there is none.
    """
    newest = newest_config(folder)
    if newest is None:
        raise UserError(f"{folder} is no work folder of a run: there is no config (*.py) in it")
    return newest


def checkpoint_of(folder: Path, given: str | None) -> Checkpoint:
    """The checkpoint that is given, else of a work folder the best, else the newest, valid one.

    Raises:
        UserError: there is none, or none that can be read.
    """
    if given is not None:
        return Checkpoint(given, read_checkpoint(given), [])
    newest = named(folder)
    others = [path for kind in numbered(folder, newest) for path in kind]
    skipped: list[str] = []
    for path in (*best_checkpoints(folder), *newest, *others):
        try:
            return Checkpoint(str(path), read_checkpoint(str(path)), skipped)
        except UserError as error:
            skipped.append(str(error))
    if skipped:
        raise UserError(f"no checkpoint in {folder} can be read: {'; '.join(skipped)}")
    raise UserError(f"{folder} holds no checkpoint: name one with --checkpoint")


def command_of(folder: Path) -> str:
    """The command of the newest start that the logs of a work folder know; else nothing."""
    for log in sorted(folder.glob("*/*.log"), reverse=True):
        with log.open(errors="replace") as lines:
            for line in lines:
                if COMMAND in line:
                    return line.partition(COMMAND)[2].strip()
    return ""
