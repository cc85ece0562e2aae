"""Generated packages in the layouts of the data that a rehearsal is without."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mmresneskt.data.parcels import draw_scene, write_crops

_OBJECT = """<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin>
<ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
_SETS = {"train": range(4), "val": range(4, 6), "test": range(4, 6)}
_WIDTH, _HEIGHT = 96, 72


def toy_cells(folder: Path) -> Path:
    """Six images and their boxes in Pascal VOC's layout; return the folder.

    Raises:
        OSError: it cannot be written.
    """
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(6):
        image, packages, _ = draw_scene(np.random.default_rng((0, number)), _WIDTH, _HEIGHT)
        cv2.imwrite(str(folder / f"JPEGImages/{number}.jpg"), image)
        objects = "".join(_OBJECT.format(package.kind, *package.box) for package in packages)
        size = f"<width>{_WIDTH}</width><height>{_HEIGHT}</height><depth>3</depth>"
        text = f"<annotation><filename>{number}.jpg</filename><size>{size}</size>{objects}"
        (folder / f"Annotations/{number}.xml").write_text(f"{text}</annotation>")
    for name, numbers in _SETS.items():
        (folder / f"ImageSets/Main/{name}.txt").write_text("\n".join(map(str, numbers)) + "\n")
    return folder


def toy_photos(folder: Path) -> Path:
    """Crops in ``train/CLASS`` and ``test/CLASS``; return the folder.

    Raises:
        OSError: it cannot be written.
    """
    write_crops(folder / "train", 64, 48, seed=0)
    write_crops(folder / "test", 64, 48, seed=1)
    return folder
