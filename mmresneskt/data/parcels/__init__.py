"""Packages on a conveyor: generated photographs with boxes, for a first run without data."""

from .files import write_crops, write_parcels
from .kinds import KINDS
from .points import ENDS
from .scene import Package, draw_scene

__all__ = ["ENDS", "KINDS", "Package", "draw_scene", "write_crops", "write_parcels"]
