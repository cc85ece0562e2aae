"""Crops of the generated parcels as a dataset that makes its own files."""

from __future__ import annotations

from pathlib import Path

from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from ..parcels import write_crops


@DATASETS.register_module(force=True)
class ParcelCropsDataset(CustomDataset):
    """Single generated packages, ten kinds, written to disk on first use.

    Args:
        num_images, size, seed: see :func:`write_crops`.
        data_root: each combination of the three gets a folder of its own in here.
        Others: as in MMPretrain's CustomDataset.
    """

    makes_its_files = True

    def __init__(
        self,
        num_images: int,
        size: int = 64,
        seed: int = 0,
        data_root: str = "data/parcels",
        **options: object,
    ) -> None:
        folder = Path(data_root) / f"crops_seed{seed}_{num_images}x{size}"
        write_crops(folder, num_images, size, seed)
        super().__init__(data_root=str(folder), **options)
