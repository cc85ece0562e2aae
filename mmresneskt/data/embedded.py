"""The data that needs no download."""

from __future__ import annotations

from mmengine.config import Config


def embedded(cfg: Config) -> str:
    """The command that needs no data, for the library that a config is for."""
    names = {
        "mmpretrain": "resneskt_parcels10",
        "mmseg": "upernet_resneskt_parcels",
        "mmpose": "simcc_resneskt_parcels",
        "mmrotate": "rotated_fcos_resneskt_parcels",
    }
    name = names.get(cfg.get("default_scope"), "faster_rcnn_resneskt_parcels")
    return f"mmresneskt train mmresneskt::{name}.py"
