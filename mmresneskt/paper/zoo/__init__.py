"""Try a swap on every config that MMDetection brings."""

from .configs import resnet50_configs, zoo_folder
from .trial import trial

__all__ = ["resnet50_configs", "trial", "zoo_folder"]
