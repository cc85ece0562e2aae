"""The spatial attention, faster: equal to :mod:`..spatial_kernel_attention`, harder to read.

:class:`FastSpatialKernelAttention` is the only door. The plain module is what it computes, and
what compilers and exporters get to see.
"""

from .attention import FastSpatialKernelAttention

__all__ = ["FastSpatialKernelAttention"]
