"""Boxes that cannot be right, alone and together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .findings import Counted, Finding, error, warning

_FORMS = ("corners (x1, y1, x2, y2)", "(x, y, width, height)")


class Boxes:
    """The boxes of a file of annotations.

    Args:
        sizes: the format has (x, y, width, height), as COCO's; else (x1, y1, x2, y2), as VOC's.
    """

    def __init__(self, sizes: bool) -> None:
        self._sizes = sizes
        self._counted = Counted()
        self._number = self._in_unit = self._odd = self._fit_otherwise = 0

    def add(
        self, given: Sequence[float], size: tuple[float, float], where: Callable[[], str]
    ) -> bool:
        """Note one box, and return whether it can be used.

        Args:
            given: the four numbers, in the format's form.
            size: width and height of its image.
            where: tells which it is.
        """
        x, y, a, b = given
        box, other = (x, y, a, b), (x, y, x + a, y + b)
        if self._sizes:
            box, other = other, box
        self._number += 1
        self._in_unit += max(given) <= 1 and min(given) >= 0
        if self._fit_otherwise == self._number - 1:  # else it is known that not all do
            self._fit_otherwise += _kind(other, size) is None
        kind = _kind(box, size)
        if kind:
            self._odd += 1
            self._counted.add("warning", kind, where())
        return kind in (None, _REACHES)

    def findings(self, key: str, file: object) -> Iterator[Finding]:
        """What there is to say of them all, else one for each kind, at the file's key."""
        if self._number and self._in_unit == self._number:
            many = f"all {self._number} boxes lie within 0 and 1: pixels are expected"
            yield error(key, f"{file}: {many}. Multiply them by their image's width and height")
            return
        yield from self._counted.findings(key, file)
        if self._odd * 2 > self._number == self._fit_otherwise:
            found, wanted = _FORMS if self._sizes else _FORMS[::-1]
            many = f"{self._odd} of {self._number} boxes do not fit into their images"
            yield warning(key, f"{file}: {many}: these look like {found}, not {wanted}")


_REACHES = "boxes that reach out of their image"


def _kind(box: Sequence[float], size: tuple[float, float]) -> str | None:
    left, top, right, bottom = box
    width, height = size
    if right - left < 1 or bottom - top < 1:
        return "boxes without area, which are left out"
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        return "boxes outside their image"
    if min(left, top) < -1 or right > width + 1 or bottom > height + 1:
        return _REACHES
    return None
