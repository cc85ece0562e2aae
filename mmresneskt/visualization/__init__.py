"""Pictures of a run: its curves, what its detector sees, and where its backbone looks."""

from .attention_picture import draw_spatial_attention
from .boxes import draw_boxes
from .curves import plot_curves, read_scalars
from .curves_hook import CurvesHook
from .detections import draw_detections
from .spatial_attention import BlockAttention, spatial_attention

__all__ = [
    "BlockAttention",
    "CurvesHook",
    "draw_boxes",
    "draw_detections",
    "draw_spatial_attention",
    "plot_curves",
    "read_scalars",
    "spatial_attention",
]
