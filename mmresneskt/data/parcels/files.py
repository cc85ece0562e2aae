"""Write generated scenes to disk: whole ones in COCO's layout, or crops in class folders."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from pycocotools.mask import encode

from .kinds import KINDS
from .points import ENDS, TOPPED
from .scene import Package, draw_scene

ANNOTATIONS = "annotations.json"
KEYPOINTS = "keypoints.json"
IMAGES = "images"
MAPS = "kinds"


def write_parcels(
    folder: str | Path, num_images: int, size: tuple[int, int] = (160, 160), seed: int = 0
) -> Path:
    """Write images, boxes, masks and keypoints; a folder that is already there is left as it is.

    The folder appears whole or not at all. Image i depends on (seed, i, size) only, so
    a longer set begins with the shorter one.

    Args:
        folder: gets ``images/000000.jpg`` ..., ``annotations.json``, where ``qbox`` is the turned
            box as x and y of its corners, in ``kinds/000000.png`` ... the number of each
            pixel's kind, 0 for the belt, and ``keypoints.json``: of the bottles and buckets
            the four ends, of one category as COCO's persons.
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
    with _written_whole(folder) as draft:
        (draft / IMAGES).mkdir()
        (draft / MAPS).mkdir()
        labels = {name: i for i, name in enumerate(KINDS, start=1)}
        images, boxes, poses = [], list[dict](), list[dict]()
        for index in range(num_images):
            scene = draw_scene(np.random.default_rng((seed, index)), width, height)
            name = f"{index:06d}.jpg"
            _write(draft / IMAGES / name, scene.image)
            _write(draft / MAPS / f"{index:06d}.png", scene.kinds)
            images.append(dict(id=index, file_name=name, width=width, height=height))
            for package in scene.packages:
                x1, y1, x2, y2 = package.box
                mask = encode(np.asfortranarray(package.mask, np.uint8))
                boxes.append(
                    dict(
                        id=len(boxes) + 1,
                        image_id=index,
                        category_id=labels[package.kind],
                        bbox=[x1, y1, x2 - x1, y2 - y1],
                        area=(x2 - x1) * (y2 - y1),
                        qbox=package.corners.round(2).ravel().tolist(),
                        segmentation={**mask, "counts": mask["counts"].decode()},
                        iscrowd=0,
                    )
                )
                if package.kind in TOPPED:
                    poses.append({**boxes[-1], "category_id": 1, **_keypoints(package)})
        categories = [dict(id=i, name=name) for name, i in labels.items()]
        document = dict(images=images, annotations=boxes, categories=categories)
        (draft / ANNOTATIONS).write_text(json.dumps(document))
        category = dict(id=1, name="package", keypoints=ENDS, skeleton=[])
        document = dict(images=images, annotations=poses, categories=[category])
        (draft / KEYPOINTS).write_text(json.dumps(document))
    return folder


def _keypoints(package: Package) -> dict:
    """As COCO has them: x, y and 2 for what is seen, 1 for what is hidden, zeros outside."""
    height, width = package.mask.shape
    keypoints = list[float]()
    seen = 0
    for (x, y), covered in zip(package.points.round(2).tolist(), package.covered):
        inside = 0 <= x <= width - 1 and 0 <= y <= height - 1
        keypoints += [x, y, 1 if covered else 2] if inside else [0, 0, 0]
        seen += inside
    return dict(keypoints=keypoints, num_keypoints=seen)


def parcels_in(data_root: str, num_images: int, size: Sequence[int], seed: int) -> Path:
    """The folder of :func:`write_parcels` for these arguments, below ``data_root``."""
    width, height = size
    # turned: those that were written before there were turned boxes stay where they are
    folder = Path(data_root) / f"turned_seed{seed}_{num_images}x{width}x{height}"
    return write_parcels(folder, num_images, (width, height), seed)


def write_crops(folder: str | Path, num_images: int, size: int = 64, seed: int = 0) -> Path:
    """Write single packages, cut out of generated scenes, in folders named after their kind.

    Like :func:`write_parcels` it writes all or nothing, leaves a folder that is there,
    and begins a longer set with the shorter one.

    Args:
        num_images: crops in all; the kinds come as the scenes draw them, equally often.
        folder: gets ``KIND/000000.jpg`` ..., with a folder for each of the ten kinds.
        size: side of the square crops in pixels.

    Returns:
        ``folder``.

    Raises:
        ValueError: fewer than one image, or a side under 16 pixels.
        OSError: it cannot be written.
    """
    folder = Path(folder)
    if num_images < 1:
        raise ValueError(f"num_images={num_images} is not allowed: it must be at least 1")
    if size < 16:
        raise ValueError(f"size={size} is not allowed: it must be at least 16 pixels")
    if folder.exists():
        return folder
    with _written_whole(folder) as draft:
        for kind in KINDS:
            (draft / kind).mkdir()
        for index, (kind, crop) in zip(range(num_images), _crops(size, seed)):
            _write(draft / kind / f"{index:06d}.jpg", crop)
    return folder


def _crops(size: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Endless crops: a square a fifth wider than the package's longer side, resized."""
    for index in itertools.count():
        # few packages in a scene, so that seldom one hides another
        image, packages, _ = draw_scene(np.random.default_rng((seed, index)), 160, 160, most=3)
        for package in packages:
            x1, y1, x2, y2 = package.box
            half = int(0.6 * max(x2 - x1, y2 - y1))
            padded = cv2.copyMakeBorder(image, half, half, half, half, cv2.BORDER_REFLECT_101)
            x, y = (x1 + x2) // 2, (y1 + y2) // 2  # the crop's corner in the padded image
            crop = padded[y : y + 2 * half, x : x + 2 * half]
            yield package.kind, cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def _write(path: Path, image: np.ndarray) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else []
    if not cv2.imwrite(str(path), image, quality):
        raise OSError(f"{path.name} cannot be written to {path.parent}")


@contextmanager
def _written_whole(folder: Path) -> Iterator[Path]:
    """A draft of the folder that takes its place at the end, or disappears."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield draft
        os.chmod(draft, 0o755)  # mkdtemp makes it private
        _rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename(draft: Path, folder: Path) -> None:
    """Put the draft in its place, unless another process was faster."""
    try:
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
