"""An environment with mmcv-lite, beside the one that the tests run in."""

import os
import shutil
import subprocess
from pathlib import Path

import mmcv

from tests.support import python as forked
from tests.support.helpers import ROOT


def copy_mmcv(site):
    """mmcv without operators, in a folder to put first on PYTHONPATH; returns its own folder."""
    ignored = shutil.ignore_patterns("__pycache__", "_ext.*")
    return shutil.copytree(Path(mmcv.__file__).parent, site / "mmcv", ignore=ignored)


def python(site, *arguments, cwd=None):
    # what is on this process's path already may hold the libraries
    places = [str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [forked.python(), *map(str, arguments)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(places), PYTHONWARNINGS="ignore"),
        cwd=cwd or site,
        capture_output=True,
        text=True,
    )
