"""Datasets for MMDetection; a config names this module in its ``custom_imports``."""

from .parcels_dataset import ParcelsDataset
from .voc import VOCFolderDataset, read_classes

__all__ = ["ParcelsDataset", "VOCFolderDataset", "read_classes"]
