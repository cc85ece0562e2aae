"""Datasets for MMRotate; a config names this module in its ``custom_imports``."""

from .parcels_dataset import ParcelsRotatedDataset

__all__ = ["ParcelsRotatedDataset"]
