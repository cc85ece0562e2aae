"""A small square canvas with a mask: what one package is drawn on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Color = tuple[float, ...]
Points = Sequence[tuple[float, float]]

_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_ONE = 1 << _SHIFT


class Canvas:
    """Coordinates run from 0 to 1, x to the right and y down; colours are BGR, 0 to 255.

    Attributes:
        image: uint8 (side, side, 3).
        mask: uint8 (side, side), 255 where something was drawn.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.image = np.zeros((side, side, 3), np.uint8)
        self.mask = np.zeros((side, side), np.uint8)

    def polygon(self, points: Points, color: Color, mark: bool = True) -> None:
        """Fill a polygon; without ``mark`` the mask stays, for details on a surface."""
        corners = [self._fixed(points)]
        cv2.fillPoly(self.image, corners, color, cv2.LINE_AA, _SHIFT)
        if mark:
            cv2.fillPoly(self.mask, corners, 255, cv2.LINE_AA, _SHIFT)

    def rectangle(
        self, x1: float, y1: float, x2: float, y2: float, color: Color, mark: bool = True
    ) -> None:
        self.polygon([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], color, mark)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, color: Color, mark: bool = True
    ) -> None:
        center, axes = self._fixed([(x, y), (rx, ry)])
        for image, value in ((self.image, color), (self.mask, 255)):
            if mark or image is self.image:
                cv2.ellipse(image, center, axes, 0, 0, 360, value, -1, cv2.LINE_AA, _SHIFT)

    def line(self, points: Points, color: Color, width: float, mark: bool = False) -> None:
        """A polyline; ``width`` as a share of the side."""
        thickness = max(round(width * self.side), 1)
        corners = [self._fixed(points)]
        cv2.polylines(self.image, corners, False, color, thickness, cv2.LINE_AA, _SHIFT)
        if mark:
            cv2.polylines(self.mask, corners, False, 255, thickness, cv2.LINE_AA, _SHIFT)

    def shade(self, profile: np.ndarray) -> None:
        """Multiply columns by a brightness profile, (n,), stretched over the side."""
        columns = np.interp(np.linspace(0, 1, self.side), np.linspace(0, 1, len(profile)), profile)
        shaded = self.image * columns[None, :, None].astype(np.float32)
        self.image = np.clip(shaded, 0, 255).astype(np.uint8)

    def _fixed(self, points: Points) -> np.ndarray:
        return np.round(np.asarray(points) * (self.side - 1) * _ONE).astype(np.int32)


def mix(color: Color, other: Color, share: float) -> Color:
    """``color`` with a share of ``other``, 0 to 1."""
    return tuple(float(a + (b - a) * share) for a, b in zip(color, other))


def darker(color: Color, share: float) -> Color:
    return mix(color, (0, 0, 0), share)


def lighter(color: Color, share: float) -> Color:
    return mix(color, (255, 255, 255), share)
