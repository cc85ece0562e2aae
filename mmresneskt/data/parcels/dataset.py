"""What the datasets of the generated parcels share, whichever library they are of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .files import parcels_in


class MakesParcels:
    """A base before a library's dataset: the files are written to disk on first use.

    Args:
        num_images, size, seed: see :func:`write_parcels`; size is width, height.
        data_root: each combination of the three gets a folder of its own in here.
        Others: as in the library's dataset.
    """

    makes_its_files = True
    _layout: ClassVar[dict[str, Any]]
    """Arguments of the library's dataset: where in the folder its files are."""

    def __init__(
        self,
        num_images: int,
        size: Sequence[int] = (160, 160),
        seed: int = 0,
        data_root: str = "data/parcels",
        **options: object,
    ) -> None:
        folder = parcels_in(data_root, num_images, size, seed)
        super().__init__(data_root=str(folder), **self._layout, **options)  # type: ignore[call-arg]
