"""What was found, as a table for people."""

from __future__ import annotations

from collections import Counter

from mmresneskt.data.layouts.found import Found
from mmresneskt.runtime.errors import printable
from mmresneskt.runtime.preflight.findings import shown as name_list
from mmresneskt.runtime.text_table import format_table

from .splits import Splits

_SIZES = 3


def summary(found: Found, splits: Splits) -> str:
    """Layout, splits, classes with counts, sizes, and what was left out and why."""
    shared = splits["test"] is splits["val"]
    shown = {split: p for split, p in splits.items() if not (shared and split == "test")}
    header = ["", *shown]
    if shared:
        header[-1] = "val = test"
    drawn = [split for split in shown if split != "train" and split not in found.splits]
    counts = [Counter(n for p in pictures for n in p.names()) for pictures in shown.values()]
    rows: list[list] = [["images", *map(len, shown.values())]]
    if not found.classifies:
        empty = [sum(not p.boxes for p in pictures) for pictures in shown.values()]
        rows.append(["without objects", *empty])
    rows += [[printable(name), *(count[name] for count in counts)] for name in found.classes]
    sizes = Counter(p.size for pictures in shown.values() for p in pictures)
    common = ", ".join(f"{w}x{h} ({n})" for (w, h), n in sizes.most_common(_SIZES))
    sides = [max(size) for size in sizes]
    others = len(sizes) - _SIZES
    more = f", {others} more from {min(sides)} to {max(sides)}" if others > 0 else ""
    lines = [
        printable(f"{found.root}: {found.layout}, {len(found.classes)} classes"),
        format_table(header, rows, False),
        f"sizes: {common}{more}",
    ]
    if drawn:
        lines.append(f"drawn from the others, and kept in the work folder: {', '.join(drawn)}")
    if not found.classifies and rows[1][1]:
        lines.append("images without objects are evaluated, and not trained on")
    for split, count in zip(shown, counts):
        missing = [name for name in found.classes if not count[name]]
        if missing:
            lines.append(f"note: nothing in {split} is of the class {name_list(missing)}")
    lines += [f"note: {f.message.removeprefix(': ')}" for f in found.problems.findings("", "")]
    return "\n".join(printable(line) if "\n" not in line else line for line in lines)
