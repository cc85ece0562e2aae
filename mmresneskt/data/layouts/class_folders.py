"""Folders named after the classes of the images in them, in folders of splits or in none."""

from __future__ import annotations

import os
import re

from mmresneskt.runtime.errors import UserError

from .found import Found
from .tree import Tree, split_named

NAME = "folders of classes"
SIGN = "two folders of classes or more (not images and masks), or such in train/ and test/"
_NO_CLASS = re.compile(r"(?i)(jpeg)?images?|imgs?")


def read(tree: Tree) -> Found | None:
    """Images by the folder that they lie in; images outside of one are left out.

    Raises:
        UserError: a class of another split has no image in that of training.
    """
    found = Found(NAME, tree, classifies=True)
    parents = [image.parent for image in tree.images]
    start = os.path.commonpath(parents) if parents else ""
    classes = set()
    for image in tree.images:
        folders = tree.relative(image.parent).parts
        at = next((i for i, folder in enumerate(folders) if split_named(folder)), None)
        split = "" if at is None else split_named(folders[at])
        folders = image.parent.relative_to(start).parts if at is None else folders[at + 1 :]
        if not folders:
            found.leave_out("images in no folder of a class, left out", image)
            continue
        classes.add(folders[0])
        found.add(split, image, label=folders[0])
    if tree.only or len(classes) < 2 or any(map(_NO_CLASS.fullmatch, classes)):
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
