"""A folder in COCO's layout: two images with a box each."""

import json

import cv2
import numpy as np
from mmengine.config import Config

BOX = [12, 8, 30, 20]
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)]


def document(names=("a.png", "b.png"), **fields):
    """The annotations, with these fields in each."""
    entry = dict(bbox=BOX, area=BOX[2] * BOX[3], iscrowd=0, category_id=3)
    return dict(
        images=[dict(id=i, file_name=name, width=64, height=48) for i, name in enumerate(names)],
        annotations=[{**entry, "id": i + 1, "image_id": i, **fields} for i in range(len(names))],
        categories=[dict(id=3, name="cat")],
    )


def write(root, content, pixels=None):
    """The folder, and a config whose parts all read it."""
    pixels = np.full((48, 64, 3), 90, np.uint8) if pixels is None else pixels
    for image in content["images"]:
        file = root / image["file_name"].replace("\\", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), pixels)
    (root / "a.json").write_text(json.dumps(content))
    dataset = dict(
        type="CocoDataset",
        data_root=str(root),
        ann_file="a.json",
        data_prefix=dict(img=""),
        metainfo=dict(classes=("cat",)),
        pipeline=LOAD,
    )
    loaders = {f"{part}_dataloader": dict(dataset=dataset) for part in ("train", "val", "test")}
    return Config(dict(default_scope="mmdet", **loaders))
