"""Annotations that other tools write and that are not read: what they are, and what to do."""

from __future__ import annotations

import os

from .tree import Tree
from .yolo import holds_boxes

_DO = "not read: export or convert it to COCO's JSON, Pascal VOC's XML or YOLO's text files"
# by words that no other file has
_WORDS = {
    **{'"imagePath"': "LabelMe's", '"region_attributes"': "VIA's", '"_via_attributes"': "VIA's"},
    **{'"classTitle"': "Supervisely's", '"from_name"': "Label Studio's"},
    **{'"rectanglelabels"': "Label Studio's", "<annotations>": "CVAT's own XML"},
}


def known(tree: Tree) -> str:
    """What is said of annotations that are of a known tool; empty where there are none."""
    for file in (file for file in tree.of(".json", ".xml") if os.access(file, os.R_OK)):
        text = file.read_text(encoding="utf-8", errors="replace")
        for tool in (tool for word, tool in _WORDS.items() if word in text):
            return f"{tree.relative(file)} is {tool}, {_DO}"
    return ""


def probable(tree: Tree) -> str:
    """The same of files that may be annotations, where nothing else is found."""
    for file in filter(holds_boxes, tree.of(".txt")):
        return f"no image is named as {tree.relative(file)}, whose lines are boxes: add the images"
    for file in tree.of(".csv", ".jsonl", ".parquet", ".tfrecord", ".zip", ".tar", ".gz"):
        return f"{tree.relative(file)} is {_DO}, and unpack archives"
    return ""
