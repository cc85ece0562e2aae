"""The two attentions of a ResNeSkt block and the pooling they share."""

from .channel_pool import ChannelPool
from .gate import GATES
from .spatial_kernel_attention import SpatialKernelAttention
from .split_attention import SplitAttentionConv2d

__all__ = ["GATES", "ChannelPool", "SpatialKernelAttention", "SplitAttentionConv2d"]
