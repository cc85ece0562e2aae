"""What lies in a folder: one module for each layout of annotated images.

Each has ``NAME``, what it looks for (``SIGN``), and ``read(tree)``, which gives what it found, or
None where the layout is another.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mmresneskt.runtime.errors import UserError

from . import class_folders, coco, unread, voc, yolo
from .found import Found
from .tree import Tree

_LAYOUTS = (coco, yolo, voc, class_folders)
_SHOWN = 6


def find_data(given: str | Path) -> Found:
    """Look at a folder, a file of COCO's annotations, or a ``data.yaml``; change nothing.

    Raises:
        UserError: it is not there, no layout is recognised, or its files cannot be used.
    """
    path = Path(given).expanduser()
    kind = path.suffix.lower()
    if not path.exists():
        raise UserError(f"--data {given} does not exist")
    if path.is_dir():
        tree = Tree(path)
    elif kind == ".json":
        # annotations/FILE.json lies beside the folders of images
        beside = path.parent.name.lower().startswith("annotation")
        tree = Tree(path.parent.parent if beside else path.parent, path)
    elif kind in (".yaml", ".yml"):
        tree = Tree(path.parent, path)
    else:
        raise UserError(
            f"--data {given} is no folder, no .json of COCO's format and no .yaml of YOLO's. "
            f"Unpack an archive first"
        )
    for layout in _LAYOUTS:
        # folders of another tool's are no classes
        other = unread.known(tree) if layout is class_folders else ""
        found = None if other else layout.read(tree)
        if found:
            return found.finished()
    if other := other or unread.probable(tree):
        raise UserError(f"--data {given}: {other}")
    looked = "; ".join(f"{layout.NAME}: {layout.SIGN}" for layout in _LAYOUTS)
    raise UserError(
        f"--data {given}: no data set is recognised. Looked for {looked}. Seen: {_seen(tree)}"
    )


def _seen(tree: Tree) -> str:
    if not tree.files:
        return "no file"
    endings = Counter(file.suffix.lower() or "without an ending" for file in tree.files)
    folders = sorted({str(file.parent.relative_to(tree.root)) for file in tree.files})
    more = " ..." if len(folders) > _SHOWN else ""
    kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(_SHOWN))
    return f"files {kinds}; folders {', '.join(folders[:_SHOWN])}{more}"
