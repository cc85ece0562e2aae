"""Whether a detector's ONNX file finds what MMDetection finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..errors import UserError
from .trace import outputs

SURE = 0.05
"""Boxes with a higher score are compared."""
PIXELS = 0.5
SCORE = 1e-3
MASK = 0.01
"""Of a mask's pixels."""


@dataclass
class Agreement:
    """How many boxes were compared, and how far they are apart at most."""

    boxes: int = 0
    """Each is counted on both sides."""
    pixels: float = 0.0
    score: float = 0.0

    def add(self, found: Sequence[Tensor], expected: Sequence[Tensor], where: str) -> None:
        """Compare what was found in an image with what MMDetection finds.

        Args:
            found, expected: boxes (K, 4), scores (K,), labels (K,), and masks (K, H, W) or nothing.
            where: the image, for the message.

        Raises:
            UserError: a box above :data:`SURE` has no counterpart within :data:`PIXELS` and
                :data:`SCORE`, of the same class.
        """
        for one, other, whose in ((expected, found, "PyTorch"), (found, expected, "ONNX Runtime")):
            for number in range(len(one[1])):
                if not self._has_counterpart(one, number, other):
                    box = ", ".join(f"{side:.1f}" for side in one[0][number].tolist())
                    raise UserError(
                        f"{where}: {whose} alone finds class {int(one[2][number])} at {box} with "
                        f"score {float(one[1][number]):.4f}: nothing is written"
                    )

    def _has_counterpart(self, one: Sequence[Tensor], number: int, other: Sequence[Tensor]) -> bool:
        score = float(one[1][number])
        if score <= SURE + SCORE:  # its counterpart may lie under a threshold
            return True
        pixels = (other[0] - one[0][number]).abs().amax(1)
        off = (other[1] - score).abs()
        near = (pixels <= PIXELS) & (off <= SCORE) & (other[2] == one[2][number])
        if not near.any():
            # the last box of a full list may be another one of the same score
            return len(one[1]) == len(other[1]) and bool(score <= other[1].min() + SCORE)
        best = torch.where(near, pixels, PIXELS + 1).argmin()
        if len(one) > 3:
            wrong = (one[3][number] != other[3][best]).sum()
            if wrong > max(MASK * int(one[3][number].sum()), 2):
                return False
        self.boxes += 1
        self.pixels = max(self.pixels, pixels[best].item())
        self.score = max(self.score, off[best].item())
        return True


def agree(
    data: bytes, images: dict[str, Tensor], expected: Callable[[Tensor], Sequence[Tensor]]
) -> Agreement:
    """Compare a detector's ONNX file with what is expected in images, given by their names.

    Raises:
        UserError: see :meth:`Agreement.add`, or there was no box to compare.
    """
    agreement = Agreement()
    for (name, image), found in zip(images.items(), outputs(data, list(images.values()))):
        with torch.no_grad():
            agreement.add(found, expected(image), name)
    if not agreement.boxes:
        raise UserError(
            f"the model finds no box with a score above {SURE} in any of {len(images)} images, so "
            f"that ONNX Runtime cannot be compared with PyTorch: give --images in which it does"
        )
    return agreement


def prepared(model: BaseModel, transforms: list, image: Tensor) -> dict:
    """What the library's own code makes of an image (H, W, 3), RGB, uint8, for its model.

    Args:
        transforms: of the test pipeline, the first of which would read a file.
    """
    size = tuple(image.shape[:2])
    data = dict(img=image.flip(2).numpy(), img_shape=size, ori_shape=size, img_id=0, img_path="")
    for transform in transforms[1:]:
        data = transform(data)
    return model.data_preprocessor({key: [value] for key, value in data.items()}, False)


def predicted(model: BaseModel, transforms: list, image: Tensor) -> BaseDataElement:
    """What the library's own code finds in it."""
    with torch.no_grad():
        return model(**prepared(model, transforms, image), mode="predict")[0]
