"""Which keyword arguments a class takes, as far as that can be known."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from mmengine.config import ConfigDict


@functools.cache
def keywords(function: Callable | None) -> dict[str, inspect.Parameter] | None:
    """The parameters of a class or function that may be given by name.

    ``**kwargs`` that a constructor only hands to its parent's stand for the parent's
    parameters.

    Returns:
        None where anything else becomes of ``**kwargs``: then any name may be right.
    """
    found, complete = _gathered(function)
    return found if complete else None


def some_keywords(function: Callable | None) -> dict[str, inspect.Parameter]:
    """Those that are certain, where ``**kwargs`` may take others."""
    return _gathered(function)[0]


def value_of(part: ConfigDict, name: str, cls: Callable | None) -> Any:
    """A setting of a part, or its default in the part's class; None where there is neither."""
    default = getattr(some_keywords(cls).get(name), "default", None)
    return part.get(name, None if default is inspect.Parameter.empty else default)


def _gathered(function: Callable | None) -> tuple[dict[str, inspect.Parameter], bool]:
    if not inspect.isclass(function):
        found, passed_on = _own(function)
        return found, passed_on is None
    found = {}
    for owner in function.__mro__[:-1]:
        if "__init__" not in vars(owner):
            continue
        own, passed_on = _own(vars(owner)["__init__"])
        found = {**own, **found}
        if not passed_on:
            return found, passed_on is None
    return found, not found


def _own(function: Any) -> tuple[dict[str, inspect.Parameter], bool | None]:
    """Its own parameters, and whether ``**kwargs`` go to ``super().__init__`` and nowhere
    else; None where there are none."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of compiled code
        return {}, False
    given = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in ("self", "cls")
    }
    rest = [p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    return given, _only_passed_on(function, rest[0]) if rest else None


def _only_passed_on(function: Callable, name: str) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return False
    # another class's name there would pass over a parent
    owner = function.__qualname__.split(".")[-2:][0]
    parent = ("super().__init__", f"super({owner}, self).__init__")
    uses = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
    passed = sum(
        isinstance(keyword.value, ast.Name) and keyword.arg is None and keyword.value.id == name
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in parent
        for keyword in node.keywords
    )
    return uses == passed == 1
