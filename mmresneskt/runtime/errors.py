"""Errors that speak to a person, and the exit codes of the commands."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141  # as a shell gives it after SIGPIPE


def printable(text: object) -> str:
    """A text as one line that commands no terminal: by its code what is no visible character.

    For names of files above all, which may hold line breaks, escape sequences and bytes that
    are no text.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


class UserError(Exception):
    """Something the user can put right; the message says what, where and how.

    Args:
        lines: of the message. A name in one cannot make another: see :func:`printable`.
    """

    def __init__(self, *lines: object) -> None:
        super().__init__(*map(printable, lines))

    def __str__(self) -> str:
        return "\n".join(self.args)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " Did you mean X?", or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def explain(error: BaseException) -> str:
    """The innermost cause of an error raised while a config was built, as one line.

    mmengine wraps it once per registry it passes: "class `A` in a.py: class `B` ...".
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    classes = re.findall(r"class `(\w+)` in [\w/.]+\.py: ", text)
    text = re.sub(r"['\"]?class `\w+` in [\w/.]+\.py: ", "", text)
    where = f"{classes[-1]}: " if classes and classes[-1] not in text else ""
    unknown = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    hint = did_you_mean(unknown[2], _arguments(unknown[1])) if unknown else ""
    return f"{where}{' '.join(text.split())}{'.' if hint else ''}{hint}"


def _arguments(model: str) -> Iterable[str]:
    """Of a class that some model registry has."""
    from mmengine.registry import MODELS  # not everything that fails needs mmengine

    found = MODELS.get(model)
    return inspect.signature(found).parameters if found else ()
