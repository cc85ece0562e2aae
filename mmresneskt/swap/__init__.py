"""Put another backbone into a config of MMDetection or MMPretrain."""

from .backbones import BACKBONES, Backbone
from .difference import difference
from .swap_backbone import swap_backbone

__all__ = ["BACKBONES", "Backbone", "difference", "swap_backbone"]
