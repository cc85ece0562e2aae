"""A photograph of packages on a conveyor belt, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from .canvas import Canvas
from .kinds import KINDS, any_color
from .points import corners, ends

_CANVAS = 96  # a package is drawn at this size, then warped to its place
_LEAST_VISIBLE = 0.4


@dataclass(frozen=True)
class Package:
    """One package of a scene: its kind, its box x1, y1, x2, y2 in pixels, and its visible part."""

    kind: str
    box: tuple[int, int, int, int]
    mask: np.ndarray
    """bool (height, width)."""
    points: np.ndarray
    """float (4, 2), x and y in pixels of its ends, see :data:`mmresneskt.data.parcels.ENDS`."""
    covered: np.ndarray
    """bool (4,): the ends on which a later package lies; not of those outside the image."""
    corners: np.ndarray
    """float (4, 2), x and y in pixels of the smallest turned rectangle around all that ``box``
    bounds."""


class Scene(NamedTuple):
    image: np.ndarray
    """uint8 BGR (height, width, 3)."""
    packages: list[Package]
    kinds: np.ndarray
    """uint8 (height, width): 0 for the belt, and k for a package of the k-th kind, from 1 on."""


def draw_scene(rng: np.random.Generator, width: int, height: int, most: int = 8) -> Scene:
    """Draw one image, and say what is in it.

    Packages overlap; one that later ones hide to more than 60 % is not listed. Boxes
    bound what is drawn of a package, the hidden part included, within the image.
    """
    image = _belt(rng, width, height).astype(np.float32)
    owner = np.zeros((height, width), np.uint8)
    light = rng.uniform(0, 2 * np.pi)
    drawn = []
    for number in range(1, rng.integers(1, most + 1) + 1):
        kind = str(rng.choice(list(KINDS)))
        package, alpha, points = _place(rng, kind, owner)
        if alpha.max() < 128:
            continue
        _cast_shadow(image, alpha, light, rng.uniform(0.3, 0.6))
        image += (package - image) * (alpha[..., None] / np.float32(255))
        solid = alpha >= 128
        owner[solid] = number
        drawn.append((number, kind, solid, points))
    packages = []
    kinds = np.zeros_like(owner)
    for number, kind, solid, points in drawn:
        visible = owner == number
        kinds[visible] = 1 + list(KINDS).index(kind)
        if np.count_nonzero(visible) >= _LEAST_VISIBLE * np.count_nonzero(solid):
            ys, xs = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
            box = (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
            x, y = np.clip(points.round().astype(int), 0, (width - 1, height - 1)).T
            covered = owner[y, x] > number
            packages.append(Package(kind, box, visible, points, covered, corners(solid)))
    return Scene(_expose(rng, image), packages, kinds)


def _belt(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Rubber with ribs or seams, steel rails along it, scraps of paper on it."""
    tone = rng.uniform(45, 125)
    belt = np.full((height, width, 3), tone, np.float32) + rng.uniform(-12, 12, 3)
    period = rng.uniform(0.06, 0.3) * width
    ribs = np.sin((np.arange(width) + rng.uniform(0, period)) * 2 * np.pi / period)
    belt += (ribs * rng.uniform(2, 14))[None, :, None]
    coarse = rng.normal(0, rng.uniform(4, 14), (max(height // 6, 2), max(width // 6, 2), 1))
    belt = belt + cv2.resize(coarse.astype(np.float32), (width, height))[..., None]
    image = np.clip(belt, 0, 255).astype(np.uint8)
    rail = int(height * rng.uniform(0.02, 0.09))
    for top in (0, height - rail):
        image[top : top + rail] = rng.uniform(110, 200)
        cv2.line(image, (0, top), (width, top), (40, 40, 40), 1)
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        scrap = ((x, y), tuple(rng.uniform(0.02, 0.1, 2) * width), float(rng.uniform(0, 180)))
        cv2.fillPoly(image, [cv2.boxPoints(scrap).astype(np.int32)], any_color(rng), cv2.LINE_AA)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image.transpose(1, 0, 2)) if width == height else image
    return image


def _place(
    rng: np.random.Generator, kind: str, owner: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A package of a kind, scaled, turned and put on the belt: float32 BGR, uint8 alpha, its ends.

    ``owner`` is 0 where the belt is still free. Of three random places the one with the
    most free belt is taken: packages overlap, but seldom pile up.
    """
    height, width = owner.shape
    canvas = Canvas(_CANVAS)
    KINDS[kind](canvas, rng)
    speckle = rng.normal(0, rng.uniform(3, 12), canvas.image.shape[:2])
    textured = np.clip(canvas.image + speckle[..., None], 0, 255).astype(np.uint8)
    size = rng.uniform(0.22, 0.48) * min(width, height)
    scale = size / _CANVAS
    turn = float(rng.normal(0, 20)) + float(rng.choice([0, 0, 90, 180, 270]))
    matrix = cv2.getRotationMatrix2D((_CANVAS / 2, _CANVAS / 2), turn, scale)
    matrix[0] *= rng.uniform(0.85, 1.15)  # a little wider or narrower than drawn
    margin, half = 0.3 * size, int(size / 2)
    places = rng.uniform((margin, margin), (width - margin, height - margin), (3, 2))
    taken = [
        np.count_nonzero(owner[max(y - half, 0) : y + half, max(x - half, 0) : x + half])
        for x, y in places.astype(int)
    ]
    shift = places[np.argmin(taken)] - matrix @ (_CANVAS / 2, _CANVAS / 2, 1)
    matrix[:, 2] = matrix[:, 2] + shift
    flags = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    package = cv2.warpAffine(textured, matrix, (width, height), flags=flags)
    alpha = cv2.warpAffine(canvas.mask, matrix, (width, height), flags=flags)
    points = ends(canvas.mask) @ matrix[:, :2].T + matrix[:, 2]
    return package.astype(np.float32), alpha, points


def _cast_shadow(image: np.ndarray, alpha: np.ndarray, light: float, strength: float) -> None:
    """Darken the belt beside a package, away from the light."""
    reach = 0.035 * min(alpha.shape)
    shift = np.array([[1, 0, reach * np.cos(light)], [0, 1, reach * np.sin(light)]], np.float32)
    shadow = cv2.warpAffine(alpha, shift, alpha.shape[::-1])
    blur = 2 * int(reach / 2) + 1
    shadow = cv2.blur(shadow, (blur, blur))
    image *= 1 - strength / 255 * shadow[..., None].astype(np.float32)


def _expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Uneven light, a colour cast, focus and sensor noise."""
    height, width = image.shape[:2]
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    gain = rng.uniform(0.75, 1.2) + slope * (np.cos(angle) * x + np.sin(angle) * y)
    image = image * gain[..., None] * rng.uniform(0.92, 1.08, 3).astype(np.float32)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (3, 3), 0)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 8))
    return np.clip(image, 0, 255).astype(np.uint8)
