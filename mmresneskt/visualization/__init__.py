"""Pictures of a run: its curves, and what its detector sees."""

from .curves import plot_curves, read_scalars
from .curves_hook import CurvesHook
from .detections import draw_detections

__all__ = ["CurvesHook", "draw_detections", "plot_curves", "read_scalars"]
