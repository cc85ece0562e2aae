"""The backbone."""

from .resneskt import DEPTHS, ResNeSkt

__all__ = ["DEPTHS", "ResNeSkt"]
