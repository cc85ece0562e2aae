"""Measurements as rows of a table, and as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmresneskt.runtime.files import write_whole

from .measure import Measurement

HEADER = (
    "network",
    "mode",
    "layout",
    "compiled",
    "precision",
    "ms a step",
    "spread %",
    "images/s",
    "memory MB",
    "MACs (G)",
    "% of matrix rate",
)
_SUBJECT = "resneskt50"
_PASSES = {"inference": 1, "training": 3}  # the backward pass computes two products for each


def table_rows(
    measured: Sequence[Measurement], macs: dict[str, int], rates: dict[str, float]
) -> list[list]:
    """One row for each measurement.

    Args:
        macs: multiply-accumulates of each network for one image.
        rates: the machine's multiply-accumulates a second in each precision.
    """
    rows = []
    for m in measured:
        v = m.variant
        work = macs[v.network] * m.batch * _PASSES[v.mode]
        share = 100 * work / m.speed.seconds / rates[v.precision]
        spread = 100 * m.speed.spread / m.speed.seconds
        rows.append(
            [
                *(v.network, v.mode, v.layout, "yes" if v.compiled else "no", v.precision),
                *(1e3 * m.speed.seconds, spread, m.images_per_second),
                *(m.speed.memory / 1e6, macs[v.network] / 1e9, share),
            ]
        )
    return rows


def best(measured: Sequence[Measurement]) -> dict[tuple, Measurement]:
    """The fastest layout by network, mode, compiled and precision."""
    found: dict[tuple, Measurement] = {}
    for m in measured:
        v = m.variant
        key = (v.network, v.mode, v.compiled, v.precision)
        if key not in found or m.speed.seconds < found[key].speed.seconds:
            found[key] = m
    return found


def ratios(measured: Sequence[Measurement]) -> list[list]:
    """How many times as fast ResNeSkt-50 is as each network, best layout of each.

    Rows of mode, compiled, precision, network, its best layout, ResNeSkt's, and the ratio.
    """
    fastest = best(measured)
    rows = []
    for (network, *how), other in fastest.items():
        subject = fastest.get((_SUBJECT, *how))
        if subject is None or network == _SUBJECT:
            continue
        mode, compiled, precision = how
        rows.append(
            [
                *(mode, "yes" if compiled else "no", precision, network),
                *(other.variant.layout, subject.variant.layout),
                other.speed.seconds / subject.speed.seconds,
            ]
        )
    return rows


def draw(measured: Sequence[Measurement], title: str, out_file: Path) -> Path:
    """Images a second of each network in its best layout, a panel for each mode; a PNG."""
    fastest = best(measured)
    panels = sorted({key[1:] for key in fastest})
    figure = Figure(figsize=(9, 0.6 + 2.2 * len(panels)), layout="constrained")
    figure.suptitle(title, fontsize=9)
    for axes, how in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels):
        here = {key[0]: m for key, m in fastest.items() if key[1:] == how}
        names = list(here)[::-1]
        values = [here[name].images_per_second for name in names]
        colours = ["tab:orange" if name == _SUBJECT else "tab:blue" for name in names]
        bars = axes.barh(names, values, color=colours)
        axes.bar_label(bars, [f"{v:.1f} ({here[n].variant.layout})" for n, v in zip(names, values)])
        axes.margins(x=0.15)
        mode, compiled, precision = how
        axes.set_title(f"{mode}, {precision}{', compiled' if compiled else ''}", fontsize=9)
        axes.set_xlabel("images per second")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return write_whole(out_file, buffer.getvalue())
