"""What a trained model sees in an image, for the page of ``mmresneskt serve``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmresneskt.network.attention_maps import attention_modules
from mmresneskt.network.attention_picture import draw_spatial_attention
from mmresneskt.runtime.errors import explain, printable
from mmresneskt.runtime.onnx.reader import Found
from mmresneskt.runtime.pictures.boxes import class_name, draw_found

from .trained import Trained

_LONGEST = 1600  # pixels of an image as it is shown, and kept in memory for an open tab
_NAMED = 8  # boxes in the text below a picture


@dataclass(frozen=True)
class Seen:
    """What a model finds in an image, at the size at which it is shown."""

    image: np.ndarray
    """(H, W, 3), RGB, uint8."""
    found: Found
    """In pixels of this image."""


class Shown:
    """A trained model on the page.

    Attributes:
        title: what it is called there.
        silent: why there is no spatial attention to be seen; empty where there is.
    """

    def __init__(self, title: str, trained: Trained) -> None:
        self.title = title
        self._trained = trained
        try:
            attention_modules(trained.model)
            self.silent = ""
        except ValueError as error:
            self.silent = str(error)

    def look(self, path: Path) -> tuple[Seen, np.ndarray | None]:
        """What the model finds in an image, and a picture of its spatial attention.

        Raises:
            CorruptImage: it is refused, or cannot be read.
            Exception: of a transform or a model that the image is too odd for.
        """
        image, data = self._trained.read(0, path)
        boxes, scores, labels = self._trained.find([data])[0]
        attention = None if self.silent else draw_spatial_attention(self._trained.model, path)
        factor = min(1, _LONGEST / max(image.shape[:2]))
        height, width = (max(1, round(factor * side)) for side in image.shape[:2])
        small = Image.fromarray(np.ascontiguousarray(image)).resize((width, height))
        return Seen(np.asarray(small), (boxes * factor, scores, labels)), attention

    def draw(self, seen: Seen, threshold: float) -> tuple[np.ndarray, str]:
        """A picture of the boxes with this score or more, and the same in words."""
        scores, labels = seen.found[1:]
        sure = scores >= threshold
        meta = self._trained.dataset_meta
        order = np.argsort(-scores, kind="stable")
        named = [f"{class_name(int(labels[n]), meta)} {scores[n]:.2f}" for n in order]
        count = int(sure.sum())
        words = f"{count} of {len(named)} with a score of {threshold:.2f} or more"
        if count:
            words += f": {', '.join(named[: min(count, _NAMED)])}{', ...' * (count > _NAMED)}"
        elif named:
            words += f"; the highest is {named[0]}"
        return draw_found(seen.image, tuple(x[sure] for x in seen.found), meta), printable(words)


def look(
    models: Sequence[Shown], path: Path
) -> tuple[str, list[Seen] | None, list[np.ndarray | None]]:
    """What every model sees in an image that somebody has sent.

    Returns:
        The image's name, or why it cannot be used; of each model what it finds, or None where it
        cannot; of each model :meth:`Shown.look`'s picture.
    """
    name = printable(path.name)
    try:
        seen, maps = zip(*(model.look(path) for model in models))
    except Exception as error:  # of a decoder, of a transform, of a model
        why = printable(explain(error)) or type(error).__name__
        return f"{name} cannot be used: {why}", None, [None] * len(models)
    return name, list(seen), list(maps)
