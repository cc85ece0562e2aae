"""Datasets for MMPose; a config names this module in its ``custom_imports``."""

from .parcels_dataset import ParcelsPoseDataset

__all__ = ["ParcelsPoseDataset"]
