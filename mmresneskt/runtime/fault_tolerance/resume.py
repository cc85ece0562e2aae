"""Which checkpoint a training goes on from: one rule for the user, a restart and a config."""

from __future__ import annotations

from mmengine.config import Config

from ..distributed import decided, join_group
from ..errors import printable
from ..launcher import LAUNCH, started_again
from .newest_valid import Resumable, newest_valid, require


def set_resume(cfg: Config, asked: str | None) -> None:
    """Put the checkpoint to go on from, and its seed, into a config; say which.

    The main process decides for all: on several machines each may see another state of the disk.

    Args:
        asked: a file, or ``auto``: the newest valid one in the work folder. A config that says
            ``resume=True`` asks for its ``load_from``, or for ``auto``. Where torchrun has
            started a run again, that goes on from the checkpoints of its own launch.

    Raises:
        UserError: the file cannot be gone on from, or none of those in the work folder.
    """
    if asked is None and cfg.get("resume"):
        asked = cfg.get("load_from") or "auto"
    join_group(cfg)
    found = decided(lambda: _find(cfg.work_dir, asked))
    cfg.resume = found is not None
    if found is None:
        return
    cfg.load_from = found.path
    randomness = cfg.get("randomness") or {}
    if randomness.get("seed") is None and found.meta.get("seed") is not None:
        # mmengine shuffles the data by the config's seed, before it has read the checkpoint's
        cfg.randomness = dict(randomness, seed=found.meta["seed"])


def _find(work_dir: str, asked: str | None) -> Resumable | None:
    found = newest_valid(work_dir, LAUNCH) if started_again() else None
    if found is None and asked == "auto":
        found = newest_valid(work_dir)
        if found is None:
            print(f"no checkpoint in {work_dir}: training starts from the beginning")
    if found is not None:
        for reason in found.skipped:
            print(f"skipped: {reason}")
        print(printable(f"going on from {found.path}"))
    elif asked not in (None, "auto"):
        found = Resumable(asked, require(asked)["meta"], [])
    return found
