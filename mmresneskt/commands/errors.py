"""Errors that speak to a person, and the exit codes of the commands."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable

from ..backbones import ResNeSkt
from .distributed import give_up

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """Something the user can put right; the message says what, where and how."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " Did you mean X?", or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def run(main: Callable[[list[str] | None], None], argv: list[str] | None = None) -> None:
    """Run a command; a UserError becomes one line and exit code 2, Ctrl-C 130.

    ``--debug`` anywhere in the arguments shows the traceback as well.
    """
    # setuptools warns at every start that mmengine imports its pkg_resources
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    argv = sys.argv[1:] if argv is None else argv
    debug = "--debug" in argv
    try:
        main([a for a in argv if a != "--debug"])
    except UserError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        give_up(EXIT_USAGE)
    except KeyboardInterrupt as interruption:
        print(f"interrupted{f': {interruption}' if interruption.args else ''}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def explain(error: BaseException) -> str:
    """The innermost cause of an error raised while a config was built, as one line.

    mmengine wraps it once per registry it passes: "class `A` in a.py: class `B` ...".
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    classes = re.findall(r"class `(\w+)` in [\w/.]+\.py: ", text)
    text = re.sub(r"['\"]?class `\w+` in [\w/.]+\.py: ", "", text)
    where = f"{classes[-1]}: " if classes and classes[-1] not in text else ""
    unknown = re.search(r"ResNeSkt.*unexpected keyword argument '(\w+)'", text)
    hint = did_you_mean(unknown[1], inspect.signature(ResNeSkt).parameters) if unknown else ""
    return f"{where}{' '.join(text.split())}{'.' if hint else ''}{hint}"
