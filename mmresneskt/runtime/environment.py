"""Which MM libraries are installed, and whether they are new enough.

The package depends on none of them: mmcv and mmcv-lite, or the two
distributions of mmengine, overwrite each other's files, so pip must not pull one in
beside the other. What is there is looked up at import instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

from torch.torch_version import TorchVersion

OLDEST = {
    **{"mmengine": "0.8.0", "mmcv": "2.0.0", "mmdet": "3.0.0", "mmpretrain": "1.0.0"},
    "timm": "1.0.23",  # older ones cannot be built on meta
}
_DISTRIBUTION = {"mmcv": "mmcv-lite"}


def require(*libraries: str) -> None:
    """Check the libraries without which there is no backbone.

    Raises:
        ImportError: one line naming what is missing or too old and the command to run.
    """
    for library in libraries:
        problem = problem_of(library)
        if problem:
            raise ImportError(problem) from None


def optional(library: str, submodule: str) -> ModuleType | None:
    """``library.submodule``, or None where the library is not installed.

    A library that is there but too old, or that refuses the others' versions, is
    reported in one warning and counts as absent.
    """
    if importlib.util.find_spec(library) is None:
        return None
    problem = problem_of(library)
    if problem:
        warnings.warn(f"mmresneskt goes on without {library}: {problem}", stacklevel=2)
        return None
    return importlib.import_module(f"{library}.{submodule}")


def configs_of(library: str) -> Path | None:
    """The folder of configs that an installed MM library brings, None where it is absent."""
    spec = importlib.util.find_spec(library)
    places = spec and spec.submodule_search_locations
    return Path(places[0], ".mim", "configs") if places else None


def problem_of(library: str) -> str | None:
    """Why a library cannot be used, and what to do; None where it can."""
    command = f"pip install '{_DISTRIBUTION.get(library, library)}>={OLDEST[library]}'"
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name == library:
            return f"{library} is not installed: {command}"
        return f"{library} cannot be imported, {error.name} is missing: pip install {error.name}"
    except Exception as error:  # mmdet and mmpretrain assert the versions of mmcv and mmengine
        return f"{library} cannot be imported: {error}"
    if (
        getattr(module, "__file__", None) is None
    ):  # a folder that pip left because another's file is in it
        return f"{library} is not installed: {command}"
    if TorchVersion(module.__version__) < OLDEST[library]:
        return f"{library} {module.__version__} is older than {OLDEST[library]}: {command}"
    return None
