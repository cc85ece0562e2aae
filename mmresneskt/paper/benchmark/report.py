"""What was measured of the backbones, as rows of a table and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from mmresneskt.runtime.files import write_whole

from .speed import Speed
from .variants import Variant

HEADER: tuple[str, ...] = ("network", "mode", "layout", "compiled", "precision", "ms a step")
HEADER += ("spread %", "images/s", "memory MB", "MACs (G)", "% of matrix rate")
RATIO_HEADER = ("mode", "compiled", "precision", "network", "its layout", "ours", "times as fast")
_SUBJECT = "resneskt50"
_PASSES = {"inference": 1, "training": 3}  # the backward pass computes two products for each


def table_rows(
    measured: Mapping[Variant, Speed], batch: int, macs: dict[str, int], rates: dict[str, float]
) -> list[list]:
    """One row for each variant.

    Args:
        macs: multiply-accumulates of each network for one image.
        rates: the machine's multiply-accumulates a second in each precision.
    """
    rows = []
    for v, speed in measured.items():
        work = macs[v.network] * batch * _PASSES[v.mode]
        rows.append(
            [
                *(v.network, v.mode, v.layout, _yes(v.compiled), v.precision),
                *(1e3 * speed.seconds, 100 * speed.spread / speed.seconds, batch / speed.seconds),
                *(speed.memory / 1e6, macs[v.network] / 1e9),
                100 * work / speed.seconds / rates[v.precision],
            ]
        )
    return rows


def ratios(measured: Mapping[Variant, Speed]) -> list[list]:
    """How many times as fast ResNeSkt-50 is as each network, best layout of each.

    Rows as :data:`RATIO_HEADER` has them.
    """
    best = _best(measured)
    rows = []
    for (network, *how), theirs in best.items():
        ours = best.get((_SUBJECT, *how))
        if ours and ours != theirs:
            mode, compiled, precision = how
            ratio = measured[theirs].seconds / measured[ours].seconds
            layouts = (theirs.layout, ours.layout)
            rows.append([mode, _yes(compiled), precision, network, *layouts, ratio])
    return rows


def draw(measured: Mapping[Variant, Speed], batch: int, title: str, out_file: Path) -> Path:
    """Images a second of each network in its best layout, a panel for each mode; a PNG."""
    best = _best(measured)
    panels = sorted({key[1:] for key in best})
    figure = Figure(figsize=(9, 0.6 + 2.2 * len(panels)), layout="constrained")
    figure.suptitle(title, fontsize=9)
    for axes, how in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels):
        here = {key[0]: v for key, v in reversed(best.items()) if key[1:] == how}
        values = [batch / measured[v].seconds for v in here.values()]
        colours = ["tab:orange" if name == _SUBJECT else "tab:blue" for name in here]
        labels = [f"{value:.1f} ({v.layout})" for value, v in zip(values, here.values())]
        axes.bar_label(axes.barh(list(here), values, color=colours), labels)
        axes.margins(x=0.15)
        mode, compiled, precision = how
        axes.set_title(f"{mode}, {precision}{', compiled' if compiled else ''}", fontsize=9)
        axes.set_xlabel("images per second")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return write_whole(out_file, buffer.getvalue())


def _best(measured: Mapping[Variant, Speed]) -> dict[tuple, Variant]:
    """The variant of the fastest layout by network, mode, compiled and precision."""
    best: dict[tuple, Variant] = {}
    for v, speed in measured.items():
        key = (v.network, v.mode, v.compiled, v.precision)
        if key not in best or speed.seconds < measured[best[key]].seconds:
            best[key] = v
    return best


def _yes(value: bool) -> str:
    return "yes" if value else "no"
