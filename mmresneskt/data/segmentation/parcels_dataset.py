"""The generated parcels with a kind for every pixel, as a dataset that makes its own files."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..parcels import KINDS
from ..parcels.files import IMAGES, MAPS, parcels_in


def _palette() -> list[list[int]]:
    """Grey for the belt, and a colour for each kind."""
    hues = [number / len(KINDS) for number in range(len(KINDS))]
    colors = [[round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.8, 0.9)] for hue in hues]
    return [[90, 90, 90], *colors]


@DATASETS.register_module(force=True)
class ParcelsSegDataset(BaseSegDataset):
    """Generated packages on a conveyor: the belt and ten kinds, written to disk on first use.

    Args:
        num_images, size, seed: see :func:`write_parcels`; size is width, height.
        data_root: each combination of the three gets a folder of its own in here.
        Others: as in MMSegmentation's BaseSegDataset.
    """

    makes_its_files = True
    METAINFO = dict(classes=("belt", *KINDS), palette=_palette())

    def __init__(
        self,
        num_images: int,
        size: Sequence[int] = (160, 160),
        seed: int = 0,
        data_root: str = "data/parcels",
        **options: object,
    ) -> None:
        super().__init__(
            data_root=str(parcels_in(data_root, num_images, size, seed)),
            data_prefix=dict(img_path=IMAGES, seg_map_path=MAPS),
            img_suffix=".jpg",
            seg_map_suffix=".png",
            reduce_zero_label=False,
            **options,
        )
