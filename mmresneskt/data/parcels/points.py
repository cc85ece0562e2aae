"""Points of a package that a picture of it shows wherever it lies: a pose to be found."""

from __future__ import annotations

import cv2
import numpy as np

ENDS = ("top", "right", "bottom", "left")
"""Names of a package's points in their order, as it is seen upright."""

TOPPED = ("bottle", "bucket")
"""The kinds whose outline alone tells their top in any position."""

_RIM = 3
"""Pixels of a package's drawing that count as furthest out."""


def ends(mask: np.ndarray) -> np.ndarray:
    """The points of :data:`ENDS`, each in the middle of what lies furthest out on its side.

    A pixel or two more or less, as they come of drawing, do not move them along a straight side.

    Args:
        mask: uint8 (height, width) of an upright package, 128 or more where it is.

    Returns:
        float (4, 2), x and y in pixels.
    """
    points = np.argwhere(mask >= 128)[:, ::-1]
    x, y = points.T
    sides = (
        y <= y.min() + _RIM,
        x >= x.max() - _RIM,
        y >= y.max() - _RIM,
        x <= x.min() + _RIM,
    )
    return np.array([(points[side].min(0) + points[side].max(0)) / 2 for side in sides])


def corners(solid: np.ndarray) -> np.ndarray:
    """The smallest rectangle, turned as it may be, that holds the whole of each pixel.

    Args:
        solid: bool (height, width), true somewhere.

    Returns:
        float (4, 2), x and y in pixels, where pixel 0 is from 0 to 1; outside the image where
        the rectangle of what is inside is.
    """
    pixels = np.argwhere(solid)[:, ::-1]
    around = np.concatenate([pixels + shift for shift in ((0, 0), (0, 1), (1, 0), (1, 1))])
    return cv2.boxPoints(cv2.minAreaRect(around.astype(np.float32))).astype(float)
