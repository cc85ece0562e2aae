"""Rows of cells as text or Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]], markdown: bool) -> str:
    """Lay a table out, in aligned columns or as Markdown; floats get two decimals."""
    cells = [[_text(cell) for cell in row] for row in [header, *rows]]
    if markdown:  # in which neither a bar nor a line's end may be in a cell
        cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in row] for row in cells]
        lines = [f"| {' | '.join(row)} |" for row in cells]
        return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for row in cells:
        first, *others = zip(row, widths)
        line = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append("  ".join(line).rstrip())
    return "\n".join(lines)


def _text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
