"""ResNeSkt, a detection and classification backbone for MMDetection and MMPretrain.

Importing the package registers the backbone and calls :func:`mmresneskt.runtime.enable`, since
a config's ``custom_imports`` can only import. The package's own command does so once it has read
its command line, so that ``--help`` is quick and needs no MM library.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registration import (
        LoadReport,
        ResNeSkt,
        TimmSEPretrained,
        author_state_dict,
        deploy,
        load_resnest,
        swap_backbone,
    )

__version__ = "0.2.0"
__all__ = [
    "LoadReport",
    "ResNeSkt",
    "TimmSEPretrained",
    "__version__",
    "author_state_dict",
    "deploy",
    "load_resnest",
    "swap_backbone",
]


def _is_command() -> bool:
    """Whether Python was started as ``mmresneskt``, ``-m mmresneskt`` or a script of tools/."""
    if any(word.startswith("from multiprocessing.") for word in sys.orig_argv):
        return False  # a library has spawned this process: sys.argv is that of the command
    program = Path(sys.argv[0]) if sys.argv else Path()
    if str(program) == "-m":  # while Python looks for the module
        words = sys.orig_argv
        return words[words.index("-m") + 1] == __name__
    tools = Path(__file__).parent / ".mim" / "tools"
    return program.stem == __name__ or program.resolve().parent == tools.resolve()


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import registration

    return getattr(registration, name)


if not _is_command():
    from . import registration  # noqa: F401
