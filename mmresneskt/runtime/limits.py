"""How large an image may be."""

from __future__ import annotations

MAX_PIXELS = 178_956_970
"""Pillow's own limit, from which on it speaks of a decompression bomb: half a gigabyte of RGB."""

MAX_BYTES = 6 * MAX_PIXELS
"""Of a file: that many pixels of 16-bit RGB as they are."""
