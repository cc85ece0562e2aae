"""How each of the ten kinds of package looks, upright, with everything else random.

Colours are drawn from the same pool for most kinds, so that the shape and the parts of a
package tell its kind, not its colour.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .canvas import Canvas, Color, darker, lighter, mix

Draw = Callable[[Canvas, np.random.Generator], None]

_ROUND = np.array([0.55, 0.8, 1.05, 1.2, 1.1, 0.9, 0.7, 0.5])  # light on a cylinder


def any_color(rng: np.random.Generator) -> Color:
    """A colour of medium saturation: hue free, so red, blue, brown and grey all occur."""
    hsv = np.array([[[rng.integers(180), rng.integers(30, 200), rng.integers(90, 240)]]], np.uint8)
    return tuple(float(v) for v in cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0])


def cardboard(rng: np.random.Generator) -> Color:
    return mix((95, 140, 185), (60, 95, 135), rng.random())


def label(canvas: Canvas, rng: np.random.Generator, x1: float, y1: float, x2: float, y2: float):
    """A paper label with lines of print."""
    paper = lighter(any_color(rng), 0.7)
    canvas.rectangle(x1, y1, x2, y2, paper, mark=False)
    for y in np.linspace(y1, y2, rng.integers(4, 6))[1:-1]:
        end = x1 + (x2 - x1) * rng.uniform(0.5, 0.9)
        canvas.line([(x1 + (x2 - x1) * 0.1, y), (end, y)], darker(paper, 0.7), 0.02)


def carton(canvas: Canvas, rng: np.random.Generator) -> None:
    """A box seen from above a corner: three faces and a strip of tape."""
    base = cardboard(rng) if rng.random() < 0.6 else any_color(rng)
    top, left, right = lighter(base, 0.25), base, darker(base, 0.35)
    h, x = rng.uniform(0.2, 0.34), rng.uniform(0.35, 0.65)
    canvas.polygon([(0.02, h), (x, 2 * h), (x, 0.98), (0.02, 0.98 - h)], left)
    canvas.polygon([(x, 2 * h), (0.98, h), (0.98, 0.98 - h), (x, 0.98)], right)
    canvas.polygon([(0.02, h), (1 - x, 0.02), (0.98, h), (x, 2 * h)], top)
    tape = lighter(base, 0.55)
    a, b = 0.42, 0.58  # the strip runs over the top and down the left face
    start = [(0.02 + (x - 0.02) * t, h + h * t) for t in (a, b)]
    end = [(1 - x + (x - 0.02) * t, 0.02 + (h - 0.02) * t) for t in (a, b)]
    canvas.polygon([start[0], start[1], end[1], end[0]], tape, mark=False)
    drop = 0.12
    canvas.polygon(
        [start[0], start[1], *[(px, py + drop) for px, py in start[::-1]]], tape, mark=False
    )


def bottle(canvas: Canvas, rng: np.random.Generator) -> None:
    """Cap, narrow neck, shoulders, body, label."""
    glass, cap = any_color(rng), any_color(rng)
    half, neck = rng.uniform(0.15, 0.2), rng.uniform(0.06, 0.085)
    shoulder = rng.uniform(0.34, 0.44)
    canvas.polygon(
        [
            *((0.5 - neck, 0.1), (0.5 + neck, 0.1), (0.5 + neck, shoulder - 0.12)),
            *((0.5 + half, shoulder), (0.5 + half, 0.95), (0.5 + half - 0.03, 0.98)),
            *((0.5 - half + 0.03, 0.98), (0.5 - half, 0.95), (0.5 - half, shoulder)),
            (0.5 - neck, shoulder - 0.12),
        ],
        glass,
    )
    canvas.rectangle(0.5 - neck - 0.02, 0.02, 0.5 + neck + 0.02, 0.12, cap)
    label(canvas, rng, 0.5 - half, shoulder + 0.1, 0.5 + half, 0.85)
    canvas.line([(0.5 - half * 0.5, shoulder), (0.5 - half * 0.5, 0.95)], lighter(glass, 0.6), 0.03)


def can(canvas: Canvas, rng: np.random.Generator) -> None:
    """A cylinder with a metal rim above and below and a pull tab."""
    paint, metal = any_color(rng), lighter((150, 150, 150), rng.uniform(0, 0.5))
    half, curve = rng.uniform(0.24, 0.3), 0.09
    canvas.ellipse(0.5, 0.88, half, curve, metal)
    canvas.rectangle(0.5 - half, 0.12, 0.5 + half, 0.88, paint)
    band = any_color(rng)
    canvas.rectangle(0.5 - half, 0.4, 0.5 + half, rng.uniform(0.55, 0.7), band, mark=False)
    canvas.rectangle(0.5 - half, 0.12, 0.5 + half, 0.17, metal, mark=False)
    canvas.shade(_ROUND)
    canvas.ellipse(0.5, 0.12, half, curve, lighter(metal, 0.3))
    canvas.ellipse(0.5, 0.12, half * 0.8, curve * 0.7, darker(metal, 0.3), mark=False)
    canvas.ellipse(0.5, 0.11, half * 0.3, curve * 0.3, lighter(metal, 0.5), mark=False)


def jar(canvas: Canvas, rng: np.random.Generator) -> None:
    """Wide glass with its filling showing, under a wide lid."""
    filling, lid = any_color(rng), any_color(rng)
    glass = lighter(filling, 0.6)
    half, top = rng.uniform(0.3, 0.36), 0.3
    canvas.rectangle(0.5 - half + 0.05, 0.2, 0.5 + half - 0.05, top, glass)
    canvas.rectangle(0.5 - half, top, 0.5 + half, 0.95, glass)
    canvas.ellipse(0.5, 0.94, half, 0.05, glass)
    canvas.rectangle(0.5 - half + 0.04, 0.45, 0.5 + half - 0.04, 0.93, filling, mark=False)
    canvas.rectangle(0.5 - half, 0.06, 0.5 + half, 0.23, lid)
    for x in np.linspace(0.5 - half, 0.5 + half, 12)[1:-1]:  # the lid's grip
        canvas.line([(x, 0.08), (x, 0.22)], darker(lid, 0.35), 0.01)
    canvas.shade(_ROUND)


def pouch(canvas: Canvas, rng: np.random.Generator) -> None:
    """A pillow bag: pinched sides, saw-toothed seams above and below."""
    foil = any_color(rng)
    waist = rng.uniform(0.04, 0.09)
    teeth = np.linspace(0.14, 0.86, 13)
    top = [(x, 0.02 if i % 2 else 0.06) for i, x in enumerate(teeth)]
    bottom = [(x, 0.98 if i % 2 else 0.94) for i, x in enumerate(teeth)][::-1]
    canvas.polygon(
        [*top, (0.86 - waist, 0.3), (0.92, 0.5), (0.86 - waist, 0.7)]
        + [*bottom, (0.14 + waist, 0.7), (0.08, 0.5), (0.14 + waist, 0.3)],
        foil,
    )
    for y in (0.12, 0.88):
        canvas.line([(0.16, y), (0.84, y)], darker(foil, 0.45), 0.02)
    print_color = any_color(rng)
    canvas.ellipse(0.5, 0.5, 0.22, rng.uniform(0.12, 0.2), print_color, mark=False)
    for _ in range(3):  # creases that catch the light
        x, y = rng.uniform(0.2, 0.7), rng.uniform(0.2, 0.6)
        end = (x + rng.uniform(0.02, 0.12), y + rng.uniform(0.1, 0.25))
        canvas.line([(x, y), end], lighter(foil, 0.6), 0.02)


def envelope(canvas: Canvas, rng: np.random.Generator) -> None:
    """A flat letter: the folded flap's V, or address and stamp."""
    paper = mix(lighter(any_color(rng), 0.55), (150, 190, 215), rng.random())
    y1, y2 = rng.uniform(0.2, 0.26), rng.uniform(0.74, 0.8)
    canvas.rectangle(0.02, y1, 0.98, y2, paper)
    fold = darker(paper, 0.45)
    if rng.random() < 0.6:
        canvas.polygon([(0.02, y1), (0.98, y1), (0.5, y1 + 0.3)], darker(paper, 0.12), mark=False)
        canvas.line([(0.02, y1), (0.5, y1 + 0.3), (0.98, y1)], fold, 0.02)
        canvas.ellipse(0.5, y1 + 0.29, 0.05, 0.05, any_color(rng), mark=False)
    else:
        canvas.rectangle(0.8, y1 + 0.05, 0.93, y1 + 0.19, any_color(rng), mark=False)
        for y in (0.5, 0.57, 0.64):
            canvas.line([(0.3, y), (0.3 + rng.uniform(0.2, 0.4), y)], fold, 0.02)


def tube(canvas: Canvas, rng: np.random.Generator) -> None:
    """A long mailing tube lying down, a cap on either end."""
    paper, cap = cardboard(rng) if rng.random() < 0.5 else any_color(rng), any_color(rng)
    half = rng.uniform(0.09, 0.12)
    rows = 7
    for i in range(rows):  # shaded across its roundness
        y1, y2 = 0.5 - half + 2 * half * np.array([i, i + 1]) / rows
        tone = lighter(paper, 0.3) if i == 2 else darker(paper, abs(i - 2) * 0.11)
        canvas.rectangle(0.08, y1, 0.92, y2 + 0.01, tone)
    for x in np.linspace(0.2, 0.8, 5):  # the winding of the board
        canvas.line([(x, 0.5 - half), (x + 0.1, 0.5 + half)], darker(paper, 0.4), 0.01)
    canvas.rectangle(0.02, 0.5 - half - 0.015, 0.11, 0.5 + half + 0.015, cap)
    canvas.ellipse(0.93, 0.5, 0.05, half + 0.015, cap)
    canvas.ellipse(0.93, 0.5, 0.03, half - 0.02, darker(cap, 0.5), mark=False)


def crate(canvas: Canvas, rng: np.random.Generator) -> None:
    """Wooden slats with dark gaps, a post at either side."""
    wood = mix((100, 160, 205), (50, 95, 140), rng.random())
    canvas.rectangle(0.03, 0.15, 0.97, 0.9, darker(wood, 0.8))
    slats = int(rng.integers(3, 5))
    pitch = 0.75 / slats
    for i in range(slats):
        y = 0.15 + i * pitch
        tone = darker(wood, rng.uniform(0, 0.2))
        canvas.rectangle(0.02, y, 0.98, y + pitch * 0.68, tone)
        for _ in range(2):  # grain
            g = y + rng.uniform(0.1, 0.6) * pitch
            canvas.line([(0.05, g), (0.95, g + rng.uniform(-0.01, 0.01))], darker(tone, 0.3), 0.01)
    for x in (0.04, 0.84):
        canvas.rectangle(x, 0.12, x + 0.12, 0.93, lighter(wood, 0.15))
        for y in (0.22, 0.52, 0.82):
            canvas.ellipse(x + 0.06, y, 0.015, 0.015, darker(wood, 0.7), mark=False)


def bucket(canvas: Canvas, rng: np.random.Generator) -> None:
    """A tapered pail with a rim and a raised handle."""
    plastic = any_color(rng)
    angles = np.linspace(np.pi, 2 * np.pi, 15)
    arc = [(0.5 + 0.36 * np.cos(a), 0.36 + 0.3 * np.sin(a)) for a in angles]
    canvas.line(arc, (70, 70, 75), 0.035, mark=True)
    foot = rng.uniform(0.22, 0.27)
    canvas.polygon([(0.12, 0.36), (0.88, 0.36), (0.5 + foot, 0.95), (0.5 - foot, 0.95)], plastic)
    canvas.ellipse(0.5, 0.95, foot, 0.03, plastic)
    label(canvas, rng, 0.33, 0.52, 0.67, 0.8)
    canvas.shade(_ROUND)
    canvas.ellipse(0.5, 0.36, 0.42, 0.07, lighter(plastic, 0.3))
    canvas.ellipse(0.5, 0.36, 0.34, 0.045, darker(plastic, 0.55), mark=False)


def drum(canvas: Canvas, rng: np.random.Generator) -> None:
    """A barrel: bulging sides held by hoops, a bung in its head."""
    steel = any_color(rng)
    bulge = rng.uniform(0.34, 0.4)
    heights = np.linspace(0.1, 0.93, 11)
    reach = 0.29 + (bulge - 0.29) * np.sin(np.pi * (heights - 0.1) / 0.83)
    side = list(zip(0.5 + reach, heights))
    canvas.polygon([*side, *[(1 - x, y) for x, y in side[::-1]]], steel)
    canvas.ellipse(0.5, 0.92, 0.29, 0.055, steel)
    for i in (2, 5, 8):
        hoop = [
            (0.5 - reach[i], heights[i]),
            (0.5, heights[i] + 0.04),
            (0.5 + reach[i], heights[i]),
        ]
        canvas.line(hoop, darker(steel, 0.6), 0.05)
    canvas.shade(_ROUND)
    canvas.ellipse(0.5, 0.1, 0.29, 0.065, darker(steel, 0.15))
    canvas.ellipse(0.58, 0.1, 0.05, 0.02, darker(steel, 0.75), mark=False)


KINDS: dict[str, Draw] = {
    draw.__name__: draw
    for draw in (carton, bottle, can, jar, pouch, envelope, tube, crate, bucket, drum)
}
"""Class names in their order, and what draws each."""
