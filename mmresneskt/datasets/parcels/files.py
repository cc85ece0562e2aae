"""Write generated scenes to disk in COCO's layout."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from .kinds import KINDS
from .scene import draw_scene

ANNOTATIONS = "annotations.json"
IMAGES = "images"


def write_parcels(
    folder: str | Path, num_images: int, size: tuple[int, int] = (160, 160), seed: int = 0
) -> Path:
    """Write images and their boxes; a folder that is already there is left as it is.

    The folder appears whole or not at all. Image i depends on (seed, i, size) only, so
    a longer set begins with the shorter one.

    Args:
        folder: gets ``images/000000.jpg`` ... and ``annotations.json``.
        size: width and height in pixels.

    Returns:
        ``folder``.

    Raises:
        ValueError: fewer than one image, or a side under 32 pixels.
        OSError: it cannot be written.
    """
    folder = Path(folder)
    width, height = size
    if num_images < 1:
        raise ValueError(f"num_images={num_images} is not allowed: it must be at least 1")
    if min(size) < 32:
        raise ValueError(f"size={size} is not allowed: each side must be at least 32 pixels")
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (draft / IMAGES).mkdir()
        labels = {name: i for i, name in enumerate(KINDS, start=1)}
        images, boxes = [], []
        for index in range(num_images):
            image, packages = draw_scene(np.random.default_rng((seed, index)), width, height)
            name = f"{index:06d}.jpg"
            if not cv2.imwrite(str(draft / IMAGES / name), image, [cv2.IMWRITE_JPEG_QUALITY, 92]):
                raise OSError(f"{folder / IMAGES / name} cannot be written")
            images.append(dict(id=index, file_name=name, width=width, height=height))
            for package in packages:
                x1, y1, x2, y2 = package.box
                boxes.append(
                    dict(
                        id=len(boxes) + 1,
                        image_id=index,
                        category_id=labels[package.kind],
                        bbox=[x1, y1, x2 - x1, y2 - y1],
                        area=(x2 - x1) * (y2 - y1),
                        iscrowd=0,
                    )
                )
        categories = [dict(id=i, name=name) for name, i in labels.items()]
        document = dict(images=images, annotations=boxes, categories=categories)
        (draft / ANNOTATIONS).write_text(json.dumps(document))
        os.chmod(draft, 0o755)  # mkdtemp makes it private
        _rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _rename(draft: Path, folder: Path) -> None:
    """Put the draft in its place, unless another process was faster."""
    try:
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
