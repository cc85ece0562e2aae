"""The generated parcels with a kind per pixel for MMSegmentation; for ``custom_imports``."""

from __future__ import annotations

import colorsys

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .parcels import KINDS
from .parcels.dataset import MakesParcels
from .parcels.files import IMAGES, MAPS


def _palette() -> list[list[int]]:
    """Grey for the belt, and a colour for each kind."""
    hues = [number / len(KINDS) for number in range(len(KINDS))]
    colors = [[round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.8, 0.9)] for hue in hues]
    return [[90, 90, 90], *colors]


@DATASETS.register_module(force=True)
class ParcelsSegDataset(MakesParcels, BaseSegDataset):
    """Generated packages on a conveyor: the belt and ten kinds, written to disk on first use.

    Args:
        num_images, size, seed, data_root: see :class:`MakesParcels`.
        Others: as in MMSegmentation's BaseSegDataset.
    """

    _layout = dict(
        data_prefix=dict(img_path=IMAGES, seg_map_path=MAPS),
        img_suffix=".jpg",
        seg_map_suffix=".png",
        reduce_zero_label=False,
    )
    METAINFO = dict(classes=("belt", *KINDS), palette=_palette())
