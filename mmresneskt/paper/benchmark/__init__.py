"""ResNeSkt's speed and memory beside the backbones that one would take instead."""

from .machine import matrix_rate, memory_rate
from .measure import Measurement, measure
from .networks import NETWORKS, build_network
from .variants import Variant, variants

__all__ = [
    "NETWORKS",
    "Measurement",
    "Variant",
    "build_network",
    "matrix_rate",
    "measure",
    "memory_rate",
    "variants",
]
