"""MMPretrain's multimodal models, left out where the installed transformers does not serve them.

MMPretrain takes any transformers from 4.28 on, and imports names that later ones no longer have:
the import of all its models fails, a classifier's too.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmengine.registry import Registry

from .environment import problem_of

SERVES = "transformers>=4.28,<4.52"
_NEEDED = ("transformers", "einops")
_PLACES = ("multimodal/**/*.py", "utils/*.py")


def install() -> None:
    """Let MMPretrain ask whether what it needs can be imported, not for a version alone.

    What is left out says, when it is built, what is missing and which version has it.
    """
    if importlib.util.find_spec("mmpretrain") is None or problem_of("mmpretrain"):
        return
    dependency: Any = importlib.import_module("mmpretrain.utils.dependency")
    if not isinstance(dependency.WITH_MULTIMODAL, _Usable):
        dependency.WITH_MULTIMODAL = _Usable(dependency.WITH_MULTIMODAL)
        dependency.register_multimodal_placeholder = _register_placeholders


class _Usable:
    """True where MMPretrain says so and its imports succeed; found when it is first asked, since
    transformers takes seconds to import."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted

    def __bool__(self) -> bool:
        return self._wanted and _missing() is None


@functools.cache
def _missing() -> str | None:
    """The first of MMPretrain's multimodal imports that fails, as one line."""
    for module, names in _imports():
        try:
            found = importlib.import_module(module)
            for name in names:
                getattr(found, name)
        except Exception as error:  # transformers refuses versions of what it needs, in many ways
            return " ".join(str(error).split())
    return None


def _imports() -> Iterator[tuple[str, list[str]]]:
    """Modules of other packages that MMPretrain imports from, and the names."""
    spec = importlib.util.find_spec("mmpretrain")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0], "models")
    for place in _PLACES:
        for file in sorted(folder.glob(place)):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.ImportFrom) or not node.module:
                    continue
                if node.module.partition(".")[0] in _NEEDED:
                    yield node.module, [alias.name for alias in node.names]


def _register_placeholders(names: list[str], registry: Registry) -> None:
    for name in names:
        registry.register_module(name=name, module=_placeholder(name))


def _placeholder(name: str) -> Callable:
    def build(*args: object, **kwargs: object) -> None:
        reason = _missing() or "MMPretrain misses transformers 4.28 or newer, or pycocotools"
        raise ImportError(
            f"{name} is of MMPretrain's multimodal part, which was left out: {reason}. "
            f"It needs: pip install '{SERVES}' einops pycocotools"
        )

    return build
