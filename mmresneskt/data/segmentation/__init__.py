"""Datasets for MMSegmentation; a config names this module in its ``custom_imports``."""

from .parcels_dataset import ParcelsSegDataset

__all__ = ["ParcelsSegDataset"]
