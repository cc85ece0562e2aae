"""What a layout is read into: images with their boxes, in splits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.preflight.findings import Counted

from .tree import Tree, size_of


class Box(NamedTuple):
    """An object: its class, and its place in pixels of the upright image."""

    name: str
    left: float
    top: float
    width: float
    height: float
    crowd: bool = False
    """Neither trained on nor counted: COCO's ``iscrowd``, Pascal VOC's ``difficult``."""
    outline: Any = None
    """COCO's ``segmentation``."""


class Picture(NamedTuple):
    path: Path
    size: tuple[int, int]
    """Width, height."""
    boxes: list[Box]
    label: str = ""
    """The class of the whole image, where there are no boxes."""

    def names(self) -> list[str]:
        """The class of each object that is no crowd, or of the image."""
        return [self.label] if self.label else [b.name for b in self.boxes if not b.crowd]


class Found:
    """What lies in a folder.

    Args:
        layout: its name, for people.
        tree: the files.
        classifies: the images are of classes, and have no boxes.

    Attributes:
        classes: in the order of their numbers.
        splits: the images of "train", "val", "test", and of "", which belong to none yet.
        problems: what was left out or is odd, counted.
    """

    def __init__(self, layout: str, tree: Tree, classifies: bool = False) -> None:
        self.layout, self.tree, self.classifies = layout, tree, classifies
        self.root = tree.root
        self.classes: list[str] = []
        self.splits: dict[str, list[Picture]] = {}
        self.problems = Counted()
        self._split_of: dict[Path, str] = {}

    def leave_out(self, kind: str, what: object) -> None:
        """Count something that is not used."""
        self.problems.add("warning", kind, str(what))

    def add(
        self,
        split: str,
        image: Path,
        boxes: Iterable[Box] = (),
        label: str = "",
        said: tuple[int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Take an image with the boxes that can be used.

        Args:
            said: the size that the annotation says.
            size: the image's own, where it was looked at already.
        """
        if image in self._split_of:
            same = self._split_of[image] == split
            kind = "images listed twice, of which the first listing is taken"
            self.leave_out(kind if same else "images in two splits, left out of the later", image)
            return
        self._split_of[image] = split
        size = size or size_of(image)
        if size is None or "\n" in str(image) or "\r" in str(image):
            self.leave_out("images that cannot be read, left out", image)
            return
        if said and said != size:
            where = f"{image}, {size[0]}x{size[1]} and not {said[0]}x{said[1]}"
            self.leave_out("images of another size than their annotation says", where)
        kept = [box for box in boxes if self._usable(box, size, image)]
        self.splits.setdefault(split, []).append(Picture(image, size, kept, label))

    def _usable(self, box: Box, size: tuple[int, int], image: Path) -> bool:
        """Whether MMDetection would use a box, which is counted otherwise."""
        kind = None
        if box.width < 1 or box.height < 1:
            kind = "boxes without area, left out"
        elif not (-box.width < box.left < size[0] and -box.height < box.top < size[1]):
            kind = "boxes outside their image, left out"
        elif box.crowd:
            crowd = "objects marked as crowds or difficult, neither trained on nor counted"
            self.leave_out(crowd, f"{box.name} in {image}")
        if kind:
            self.leave_out(kind, f"{box.name} in {image}")
        return kind is None

    def finished(self) -> Found:
        """The same without the classes that nothing has, images without annotations counted.

        Raises:
            UserError: no image or no object is left.
        """
        for image in () if self.classifies or self.tree.only else self.tree.images:
            if image not in self._split_of:
                self.leave_out("images that no annotation or list names, left out", image)
        pictures = [picture for split in self.splits.values() for picture in split]
        counts = Counter(name for picture in pictures for name in picture.names())
        reasons = "; ".join(str(f) for f in self.problems.findings("", self.root))
        for name in self.classes:
            if not counts[name]:
                self.leave_out("classes without an object, left out", name)
        self.classes = [name for name in dict.fromkeys(self.classes) if counts[name]]
        if not self.classes:
            what = "object" if pictures else "image"
            normalised = " Boxes between 0 and 1? Pixels are expected." if "area" in reasons else ""
            raise UserError(
                f"{self.root}, {self.layout}: there is no {what} to train on. "
                f"{reasons or 'Nothing is annotated'}.{normalised}"
            )
        return self


def number(value: object, what: str) -> float:
    """A finite number of an annotation.

    Raises:
        ValueError: it is none.
    """
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found) or abs(found) > 1e9:
        raise ValueError(f"{what} is {value!r:.40}, not a number")
    return found
