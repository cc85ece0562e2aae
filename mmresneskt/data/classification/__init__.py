"""What the classification configs add to MMPretrain; they name it in ``custom_imports``."""

from .cross_entropy import CrossEntropy
from .parcel_crops import ParcelCropsDataset
from .train_and_test_loop import TrainAndTestLoop

__all__ = ["CrossEntropy", "ParcelCropsDataset", "TrainAndTestLoop"]
