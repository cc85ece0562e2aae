"""Is there room for the checkpoints?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from torch import nn

from .findings import Finding, error, warning

_MOMENTS = {"SGD": 1, "RMSprop": 1, "Lion": 1, "Adagrad": 1}  # others keep two, as Adam does


def room_for_checkpoints(cfg: Config, model: nn.Module) -> Iterator[Finding]:
    """Compare what the run will write with what is free below ``cfg.work_dir``."""
    hook = (cfg.get("default_hooks") or {}).get("checkpoint")
    if not isinstance(hook, dict) or not cfg.get("work_dir"):
        return
    size = _bytes(cfg, model, hook.get("save_optimizer", True))
    kept = _kept(cfg, hook)
    folder = Path(cfg.work_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    about = f"{folder} has {_text(free)} free, and each checkpoint takes about {_text(size)}"
    # the next one is written before the one that it takes the place of is deleted
    if size * min(kept + 1, 2) > free:
        advice = "make room, or give another folder with --work-dir"
        yield error("work_dir", f"{about}: {advice}")
    elif size * (kept + 1) > free:
        key = "default_hooks.checkpoint.max_keep_ckpts"
        yield warning(key, f"{about}, of which {kept} are to be kept: keep fewer by {key}")


def _bytes(cfg: Config, model: nn.Module, with_optimizer: bool) -> int:
    weights = sum(v.numel() * v.element_size() for v in model.state_dict().values())
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer") or {}
    moments = _MOMENTS.get(str(optimizer.get("type")), 2)
    if optimizer.get("type") == "SGD" and not optimizer.get("momentum"):
        moments = 0
    averages = sum("EMA" in str(hook.get("type")) for hook in cfg.get("custom_hooks") or ())
    return weights * (1 + averages) + trained * moments * bool(with_optimizer)


def _kept(cfg: Config, hook: dict) -> int:
    interval = hook.get("interval", 1)
    length = (cfg.get("train_cfg") or {}).get(
        "max_epochs" if hook.get("by_epoch", True) else "max_iters"
    )
    written = max((length or 1) // interval, 1)  # of an interval of -1, one at the end
    most = hook.get("max_keep_ckpts", -1)
    return (min(written, most) if most > 0 else written) + bool(hook.get("save_best"))


def _text(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
