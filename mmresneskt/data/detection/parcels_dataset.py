"""The generated parcels as a dataset that makes its own files."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from ..parcels import KINDS
from ..parcels.files import ANNOTATIONS, IMAGES, parcels_in


@DATASETS.register_module(force=True)
class ParcelsDataset(CocoDataset):
    """Generated packages on a conveyor, ten kinds, written to disk on first use.

    Args:
        num_images, size, seed: see :func:`write_parcels`; size is width, height.
        data_root: each combination of the three gets a folder of its own in here.
        Others: as in MMDetection's CocoDataset; each package has a mask of its visible part.
    """

    makes_its_files = True
    METAINFO = dict(classes=tuple(KINDS))

    def __init__(
        self,
        num_images: int,
        size: Sequence[int] = (160, 160),
        seed: int = 0,
        data_root: str = "data/parcels",
        **options: object,
    ) -> None:
        folder = parcels_in(data_root, num_images, size, seed)
        super().__init__(
            data_root=str(folder), ann_file=ANNOTATIONS, data_prefix=dict(img=IMAGES), **options
        )
