"""Top-level names of a config from which other settings are built: ``max_epochs``, ``size``.

mmengine runs each file by itself, a base before what builds on it. A name that a later file or the
command line sets comes too late for what the base has built from it.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ..errors import UserError, explain
from .tree import nodes, settings

_OURS = Path(__file__).resolve().parents[3] / "configs", Path(__file__).resolve().parents[2]
"""Where this package's configs lie: beside it in a checkout, in its ``.mim`` where installed."""
_MORE: tuple[str, ...] = ("classes", "custom_imports", "data_root", "find_unused_parameters")
_MORE += ("model_wrapper_cfg", "runner_type", "strategy", "compile", "sync_bn")
READ: tuple[str, ...] = (*inspect.signature(Runner).parameters, *_MORE)
"""Names that mmengine, the libraries or this package read from a config themselves."""
_SHOWN = 6


def read(path: Path, options: dict) -> Config:
    """A config in which the last word on a top-level name counts wherever the name is used.

    The last word of the command line counts in all files; that of a file in the configs of this
    package that it builds on, and ``data_root`` in those of the libraries as well. Dictionaries
    are merged by mmengine.

    Args:
        options: by dotted key; of those without a dot the config's settings follow.

    Raises:
        UserError: nothing follows from one of them, but other keys would do what its name says.
        Exception: whatever mmengine raises for a file.
    """
    plain, places = _loaded(path, {}, {})
    # data_root is moved afterwards, in what no variable was used for too
    given = {k: v for k, v in options.items() if "." not in k and k != "data_root"}
    last = {
        name: value
        for name, value in _literals(plain).items()
        if name not in given and any(_follows(name, base) for base in places.get(name, ())[1:])
    }
    for name, value in given.items():
        if name not in READ and value != plain.get(name):
            _must_matter(path, name, value, plain)
    return _with(path, given, last) if given or last else plain


def _with(path: Path, given: dict, last: dict) -> Config:
    try:
        return _loaded(path, given, last)[0]
    except Exception as error:  # the file itself can be read
        values = " ".join(f"{name}={value}" for name, value in (given or last).items())
        raise UserError(f"{path} cannot be read with {values}: {explain(error)}") from error


def _loaded(path: Path, given: dict, last: dict) -> tuple[Config, dict[str, list[str]]]:
    """The config with values put in, and the files that assign each name, its base last."""
    places: dict[str, list[str]] = {}
    substitute = Config._substitute_predefined_vars

    @functools.wraps(substitute)
    def substitute_ours(filename: str, temporary: str) -> None:
        substitute(filename, temporary)
        file = Path(temporary)
        if file.suffix == ".py":
            text = file.read_text(encoding="utf-8")
            file.write_text(_replaced(text, filename, places, given, last), encoding="utf-8")

    with _in_place(substitute_ours):
        return Config.fromfile(path), places


@contextlib.contextmanager
def _in_place(substitute: Any) -> Iterator[None]:
    """mmengine hands each file to this function before it runs it."""
    theirs = Config._substitute_predefined_vars
    Config._substitute_predefined_vars = staticmethod(substitute)
    try:
        yield
    finally:
        Config._substitute_predefined_vars = staticmethod(theirs)


def _replaced(
    text: str, filename: str, places: dict[str, list[str]], given: dict, last: dict
) -> str:
    """The text of a file with other values for names that it assigns at its top."""
    try:
        lines = ast.parse(text).body
    except SyntaxError:  # mmengine says so
        return text
    parts, end = [], 0
    source = text.encode()
    starts = [0, *itertools.accumulate(map(len, source.splitlines(keepends=True)))]
    for line in lines:
        if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
            continue
        name, value = line.targets[0].id, line.value
        files = places.setdefault(name, [])
        follows = name in last and files[:1] not in ([], [filename])
        if filename not in files:
            files.append(filename)
        if name not in given and not (follows and _follows(name, filename)):
            continue
        new = given.get(name, last.get(name))
        old = value.value if isinstance(value, ast.Constant) else None
        if isinstance(old, str) and isinstance(new, str) and old.endswith("/"):
            new = f"{new.rstrip('/')}/"  # what follows it is joined by +
        parts += [source[end : starts[value.lineno - 1] + value.col_offset], f"({new!r})".encode()]
        end = starts[(value.end_lineno or 0) - 1] + (value.end_col_offset or 0)
    return b"".join([*parts, source[end:]]).decode()


def _follows(name: str, filename: str) -> bool:
    """Whether a name in this file takes the value that a config building on it sets."""
    ours = any(Path(filename).resolve().is_relative_to(folder) for folder in _OURS)
    return ours or name == "data_root"


def _literals(cfg: Config) -> dict[str, Any]:
    """The values at the top of a config that can be written down, but for dictionaries."""
    found = {}
    for name, value in cfg._cfg_dict.to_dict().items():
        if not isinstance(value, dict):
            with contextlib.suppress(ValueError, SyntaxError):
                found[name] = ast.literal_eval(repr(value))
    return found


def _must_matter(path: Path, name: str, value: object, plain: Config) -> None:
    """Refuse a name from which nothing is built in these files, where other keys have its name."""
    before = plain.to_dict()
    old = before.pop(name, None)
    if old is not None:
        changed = _with(path, {name: value}, {}).to_dict()
        del changed[name]
        if changed != before:
            return
    keys = [key for key, _ in (*settings(before), *nodes(before)) if key.endswith(f".{name}")]
    keys += [key for key, other in settings(before) if other == old and not _is_small(old)]
    if keys:
        shown = ", ".join(list(dict.fromkeys(keys))[:_SHOWN])
        raise UserError(
            f"--cfg-options {name}={value}: nothing is built from {name} in {path}. Set what it is "
            f"meant for: {shown}"
        )


def _is_small(value: object) -> bool:
    """Equal by chance."""
    return value is None or isinstance(value, (bool, int, float))
