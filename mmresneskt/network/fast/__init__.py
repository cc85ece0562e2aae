"""The spatial attention, faster: equal to the plain modules, harder to read.

The two classes are the only doors. The plain modules, :mod:`..spatial_kernel_attention` and
:mod:`..author_attention`, are what they compute, and what compilers and exporters get to see.
"""

from .attention import FastAuthorSpatialKernelAttention, FastSpatialKernelAttention

__all__ = ["FastAuthorSpatialKernelAttention", "FastSpatialKernelAttention"]
