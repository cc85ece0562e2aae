"""The data that needs no download."""

from __future__ import annotations

from mmengine.config import Config


def embedded(cfg: Config) -> str:
    """The command that needs no data, for the library that a config is for."""
    classifies = cfg.get("default_scope") == "mmpretrain"
    name = "resneskt_parcels10" if classifies else "faster_rcnn_resneskt_parcels"
    return f"mmresneskt train mmresneskt::{name}.py"
