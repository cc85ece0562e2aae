"""The command ``mmresneskt``: one module a sub-command.

Each has ``add_arguments(parser)`` and ``run(args)``; the first line of its docstring is its help.
Nothing heavy is imported before ``run``, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import select
import sys
import traceback
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import NoReturn

from mmresneskt import __version__
from mmresneskt.runtime.errors import (
    EXIT_INTERRUPTED,
    EXIT_PIPE,
    EXIT_USAGE,
    UserError,
    did_you_mean,
    printable,
)
from mmresneskt.runtime.launcher import give_up
from mmresneskt.runtime.limits import MAX_PIXELS

COMMANDS = (
    "train",
    "test",
    "predict",
    "serve",
    "check",
    "demo",
    "publish",
    "export",
    "attention",
    "curves",
    "report",
    "backbones",
    "complexity",
    "benchmark",
    "gpu",
    "prepare-imagenet10",
    "reproduce",
    "sweep",
    "ops",
)


def main(argv: list[str] | None = None, script: str | None = None) -> None:
    """Run a sub-command, with errors that speak to a person (:func:`explained`).

    Args:
        argv: the command line; ``sys.argv`` where it is not given.
        script: the sub-command of a script of its own, such as tools/train.py.
    """
    # setuptools warns at every start that mmengine imports its pkg_resources
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    argv = sys.argv[1:] if argv is None else argv
    with explained("--debug" in argv):
        if script:
            call(script, argv, f"{script}.py")
        elif not argv or argv[0] in ("-h", "--help"):
            print(_overview())
        elif argv[0] == "--version":
            print(f"mmresneskt {__version__}")
        else:
            call(argv[0], argv[1:])


@contextlib.contextmanager
def explained(debug: bool = False) -> Iterator[None]:
    """A UserError becomes one line and exit code 2, Ctrl-C exit code 130, a reader of the output
    that has gone, such as ``head``, exit code 141.

    Args:
        debug: show the traceback as well.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush
        sys.exit(EXIT_PIPE)
    except UserError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        give_up(EXIT_USAGE)
    except KeyboardInterrupt as interruption:
        print(f"interrupted{f': {interruption}' if interruption.args else ''}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _nobody_reads() -> bool:
    """Whether it is this process's own output whose reader has gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def call(name: str, argv: list[str], program: str | None = None) -> None:
    """Run a sub-command in this process.

    Raises:
        UserError: what the user can put right.
        SystemExit: the command line cannot be parsed, or ``--help`` is in it.
    """
    if name not in COMMANDS:
        raise UserError(f"there is no command {name!r}.{did_you_mean(name, COMMANDS)}")
    command = _module(name)
    parser = _Parser(
        prog=program or f"mmresneskt {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    # OpenCV's own bound is six times that; it reads this when it is loaded
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    if getattr(command, "needs_libraries", lambda _: True)(args):
        try:
            importlib.import_module("mmresneskt.registration")
        except ImportError as error:
            raise UserError(str(error)) from error
        from mmresneskt.runtime.checkpoint import trust

        trust(getattr(args, "trust_checkpoint", False))
    command.run(args)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))  # a shell's pattern brings names of files


def _module(name: str) -> ModuleType:
    return importlib.import_module(f".{name.replace('-', '_')}", __name__)


def _overview() -> str:
    lines = ["usage: mmresneskt COMMAND [ARGUMENTS], and mmresneskt COMMAND --help", ""]
    width = max(map(len, COMMANDS))
    for name in COMMANDS:
        first = (_module(name).__doc__ or "").splitlines()[0]
        lines.append(f"  {name:{width}}  {first}")
    return "\n".join(lines)
