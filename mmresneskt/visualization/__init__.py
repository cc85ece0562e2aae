"""Pictures of a run: its curves, and what its detector sees."""

from .curves import plot_curves, read_scalars
from .detections import draw_detections

__all__ = ["draw_detections", "plot_curves", "read_scalars"]
