"""A small data set in COCO's layout."""

import json

import cv2
import numpy as np
from mmdet.datasets import CocoDataset

CLASSES = CocoDataset.METAINFO["classes"]
# COCO's own ids: 91 numbers for 80 categories
IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]


def write_tree(root, categories=None):
    """Four images each: with boxes, with a crowd, with a crowd alone, and without any box."""
    rng = np.random.default_rng(0)
    categories = categories or [dict(id=i, name=n) for i, n in zip(IDS, CLASSES)]
    (root / "annotations").mkdir(parents=True)
    for part in ("train2017", "val2017"):
        (root / part).mkdir()
        images, annotations = [], []
        for number, image_id in enumerate((9, 1000, 42, 7)):
            name = f"{image_id:012}.jpg"
            cv2.imwrite(str(root / part / name), rng.integers(0, 255, (64, 96, 3), np.uint8))
            images.append(dict(id=image_id, file_name=name, height=64, width=96))
            for crowd in {0: [0, 0], 1: [0, 1], 2: [1], 3: []}[number]:
                x, y = rng.integers(0, 40, 2).tolist()
                found = dict(bbox=[x, y, 40, 20], area=800, iscrowd=crowd, image_id=image_id)
                found["segmentation"] = [[x, y, x + 40, y, x + 40, y + 20]]
                if crowd:
                    found["segmentation"] = dict(counts=[0, 64 * 96], size=[64, 96])
                found["category_id"] = categories[(7 * len(annotations)) % len(categories)]["id"]
                annotations.append(dict(found, id=1 + 3 * len(annotations)))
        content = dict(images=images, annotations=annotations, categories=categories)
        (root / f"annotations/instances_{part}.json").write_text(json.dumps(content))
    return root
