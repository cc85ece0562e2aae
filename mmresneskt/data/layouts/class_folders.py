"""Folders named after the classes of the images in them, in folders of splits or in none."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmresneskt.runtime.errors import UserError

from .found import Found
from .tree import SPLIT_NAMES, Tree

NAME = "folders of classes"
SIGN = "two folders of images or more, named after their classes, or such in train/ and test/"


def read(tree: Tree) -> Found | None:
    """Images by the folder that they lie in; images outside of one are left out.

    Raises:
        UserError: a class of another split has no image in that of training.
    """
    found = Found(NAME, tree, classifies=True)
    # an archive may unpack into a folder of its own
    parents = [image.parent for image in tree.images]
    start = Path(os.path.commonpath(parents) if parents else "")
    if _split(start.name):  # the only one
        start = start.parent
    classes = set()
    for image in tree.images:
        folders = list(image.parent.relative_to(start).parts)
        split = _split(folders[0]) if folders else ""
        folders = folders[bool(split) :]
        if not folders:
            found.leave_out("images in no folder of a class, left out", image)
            continue
        classes.add(folders[0])
        found.add(split, image, label=folders[0])
    if tree.only or len(classes) < 2:
        return None
    found.classes = sorted(classes)
    for split, pictures in found.splits.items():
        unknown = {p.label for p in pictures} - {p.label for p in found.splits.get("train", [])}
        if unknown and split and "train" in found.splits:
            raise UserError(
                f"{tree.root}: {sorted(unknown)[0]} of {split} has no image in train. Every class "
                f"needs some"
            )
    return found


def _split(folder: str) -> str:
    return SPLIT_NAMES.get(re.sub(r"[\W\d_]", "", folder.lower()), "")
