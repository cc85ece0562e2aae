"""The end of a run that all its processes have agreed on."""

from __future__ import annotations

from mmengine.dist import all_gather_object

from ..errors import EXIT_USAGE, UserError


class Stop(UserError):
    """All processes end here, for one reason, and starting them again would not help.

    Args:
        message: what happened and what to do.
        code: the command's exit code.
    """

    def __init__(self, message: str, code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.code = code


def stop_together(problem: str | None) -> None:
    """End all processes if one has a problem; every one of them has to ask.

    Raises:
        Stop: with the first problem, the same one in every process.
    """
    problems = [found for found in all_gather_object(problem) if found]
    if problems:
        raise Stop(problems[0])
