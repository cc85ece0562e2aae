"""Which checkpoint a training goes on from: one rule for the user, a restart and a config."""

from __future__ import annotations

from mmengine.config import Config

from ..errors import printable
from ..launcher import is_main_process, started_again
from . import newest_valid, require


def set_resume(cfg: Config, asked: str | None) -> None:
    """Put the checkpoint to go on from, and its seed, into a config; say which.

    Args:
        asked: a file, or ``auto``: the newest valid one in the work folder. A config that says
            ``resume=True`` asks for its ``load_from``, or for ``auto``. Where torchrun has
            started a run again, that goes on from the checkpoints of its own launch.

    Raises:
        UserError: the file cannot be gone on from, or none of those in the work folder.
    """
    if asked is None and cfg.get("resume"):
        asked = cfg.get("load_from") or "auto"
    launched = started_again()
    found = None if launched is None else newest_valid(cfg.work_dir, since=launched)
    if found is None and asked == "auto":
        found = newest_valid(cfg.work_dir)
        if found is None and is_main_process():
            print(f"no checkpoint in {cfg.work_dir}: training starts from the beginning")
    if found is not None:
        path, meta, skipped = found
        if is_main_process():
            for reason in skipped:
                print(f"skipped: {reason}")
            print(printable(f"going on from {path}"))
    elif asked not in (None, "auto"):
        path, meta = asked, require(asked)
    else:
        cfg.resume = False
        return
    cfg.resume = True
    cfg.load_from = path
    randomness = cfg.get("randomness") or {}
    if randomness.get("seed") is None and meta.get("seed") is not None:
        # mmengine shuffles the data by the config's seed, before it has read the checkpoint's
        cfg.randomness = dict(randomness, seed=meta["seed"])
