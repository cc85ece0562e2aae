"""The generated parcels as a dataset that makes its own files."""

from __future__ import annotations

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from ..parcels import KINDS
from ..parcels.dataset import MakesParcels
from ..parcels.files import ANNOTATIONS, IMAGES


@DATASETS.register_module(force=True)
class ParcelsDataset(MakesParcels, CocoDataset):
    """Generated packages on a conveyor, ten kinds, written to disk on first use.

    Args:
        num_images, size, seed, data_root: see :class:`MakesParcels`.
        Others: as in MMDetection's CocoDataset; each package has a mask of its visible part.
    """

    _layout = dict(ann_file=ANNOTATIONS, data_prefix=dict(img=IMAGES))
    METAINFO = dict(classes=tuple(KINDS))
