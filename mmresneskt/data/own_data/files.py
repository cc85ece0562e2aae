"""The splits as files in the work folder: the one format that training and evaluation read."""

from __future__ import annotations

import json
from pathlib import Path

from mmresneskt.data.layouts.found import Found, Picture
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.files import write_whole

from .splits import Splits, complete_splits

_DRAWN = "drawn_splits.json"


def write_splits(found: Found, folder: Path) -> tuple[Splits, dict[str, Path]]:
    """Write ``train``, ``val`` and ``test``: COCO's JSON; of classes a list of paths and numbers.

    Paths are below the data's root. A draw is kept in ``drawn_splits.json``, and read again.

    Returns:
        The images and the file of each split.

    Raises:
        UserError: see :func:`complete_splits`; or nothing can be written.
    """
    try:
        kept = json.loads((folder / _DRAWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    splits, drawn = complete_splits(found, kept if isinstance(kept, dict) else {})
    ending, content = (".txt", _list) if found.classifies else (".json", _coco)
    files = {split: (folder / f"{split}{ending}").resolve() for split in splits}
    try:
        if drawn:
            write_whole(folder / _DRAWN, json.dumps(drawn, indent=1).encode())
        for split, file in files.items():
            write_whole(file, content(found, splits[split]).encode())
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    return splits, files


def _list(found: Found, pictures: list[Picture]) -> str:
    lines = (f"{_path(found, p)} {found.classes.index(p.label)}\n" for p in pictures)
    return "".join(lines)


def _path(found: Found, picture: Picture) -> str:
    path = found.tree.relative(picture.path).as_posix()
    return path if path == path.lstrip() else f"./{path}"  # the reader strips lines


def _coco(found: Found, pictures: list[Picture]) -> str:
    numbers = {name: index for index, name in enumerate(found.classes)}
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, picture in enumerate(pictures, 1):
        width, height = picture.size
        path = found.tree.relative(picture.path).as_posix()
        images.append(dict(id=image_id, file_name=path, width=width, height=height))
        for box in (b for b in picture.boxes if b.name in numbers):  # crowds may be of no class
            entry = dict(
                id=len(annotations) + 1,  # pycocotools takes 0 for none
                image_id=image_id,
                category_id=numbers[box.name],
                bbox=[round(value, 3) for value in box[1:5]],
                area=box.width * box.height,
                iscrowd=int(box.crowd),
            )
            annotations.append({**entry, **(dict(segmentation=box.outline) if box.outline else {})})
    categories = [dict(id=index, name=name) for name, index in numbers.items()]
    return json.dumps(dict(images=images, annotations=annotations, categories=categories))
