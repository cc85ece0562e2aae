"""One set of annotated images in the layouts that labelling tools write."""

import json
from typing import NamedTuple

from PIL import Image


class Example(NamedTuple):
    """An image: its split, name and size, and its boxes (class, left, top, width, height)."""

    split: str
    stem: str
    size: tuple
    boxes: list

    @property
    def name(self):
        return f"{self.stem}.png"


NAMES = ["cat", "ant eater", "Ziège"]
ONE = [Example("", "a", (40, 30), [("cat", 5, 5, 10, 10)])]


def save(path, size, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 60, 30)).save(path, **options)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")


def document(examples, names, path_of=lambda e: e.name):
    """COCO's, with a root category that nothing has, as Roboflow writes it."""
    images = [
        dict(id=i, file_name=path_of(e), width=e.size[0], height=e.size[1])
        for i, e in enumerate(examples)
    ]
    annotations = [
        dict(image_id=i, category_id=names.index(n) + 1, bbox=place)
        for i, e in enumerate(examples)
        for n, *place in e.boxes
    ]
    categories = [dict(id=0, name="root"), *(dict(id=i, name=n) for i, n in enumerate(names, 1))]
    annotations = [dict(id=i, **a) for i, a in enumerate(annotations)]
    return dict(images=images, annotations=annotations, categories=categories)


def by_split(examples):
    return {s: [e for e in examples if e.split == s] for s in {e.split for e in examples}}


def coco_roboflow(root, examples, names):
    for split, its in by_split(examples).items():
        folder = root / {"val": "valid"}.get(split, split)
        write(folder / "_annotations.coco.json", document(its, names))
        for e in its:
            save(folder / e.name, e.size)


def coco_cvat(root, examples, names):
    for split, its in by_split(examples).items():
        write(root / f"annotations/instances_{split or 'default'}.json", document(its, names))
        for e in its:
            save(root / "images" / split / e.name, e.size)


def coco_label_studio(root, examples, names):
    """One file for all; the paths are those of the machine that it was exported on."""
    elsewhere = document(examples, names, lambda e: f"..\\..\\upload\\images\\{e.name}")
    write(root / "result.json", elsewhere)
    for e in examples:
        save(root / "images" / e.name, e.size)


def xml(e, filename):
    objects = "".join(
        f"<object><name> {n} </name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{left + 1 + width}</xmax><ymax>{top + 1 + height}</ymax>"
        f"</bndbox></object>"
        for n, left, top, width, height in e.boxes
    )
    size = f"<size><width>{e.size[0]}</width><height>{e.size[1]}</height></size>"
    return f"<annotation><filename>{filename}</filename>{size}{objects}</annotation>"


def voc(root, examples, names):
    for split, its in by_split(examples).items():
        write(
            root / f"ImageSets/Main/{split or 'trainval'}.txt", "".join(e.stem + "\n" for e in its)
        )
        for e in its:
            write(root / f"Annotations/{e.stem}.xml", xml(e, "renamed.jpg"))
            save(root / "JPEGImages" / e.name, e.size)


def voc_beside(root, examples, names):
    for e in examples:
        write(root / e.split / f"{e.stem}.xml", xml(e, e.name))
        save(root / e.split / e.name, e.size)


def voc_otherwise(root, examples, names):
    for e in examples:
        write(root / "labelled" / e.split / f"{e.stem}.xml", xml(e, e.name))
        save(root / "pictures" / e.split / e.name, e.size)


def voc_cvat(root, examples, names):
    """Images in a folder whose name has a blank: lists quote it."""
    for split, its in by_split(examples).items():
        listed = "".join(f'"cam 1/{e.stem}"\n' for e in its)
        write(root / f"ImageSets/Main/{split or 'default'}.txt", listed)
        for e in its:
            write(root / f"Annotations/cam 1/{e.stem}.xml", xml(e, f"cam 1/{e.name}"))
            save(root / "JPEGImages/cam 1" / e.name, e.size)


def lines(e, names):
    width, height = e.size
    return "".join(
        f"{names.index(n)} {(x + w / 2) / width!r} {(y + h / 2) / height!r} {w / width!r} "
        f"{h / height!r}\n"
        for n, x, y, w, h in e.boxes
    )


def yolo(root, examples, names):
    """images/train, as Ultralytics has it, with its data.yaml; no text file without an object."""
    its = {e.split or "train" for e in examples} | {"train"}
    paths = "".join(f"{s}: images/{s if any(e.split for e in examples) else ''}\n" for s in its)
    write(root / "data.yaml", f"path: .\n{paths}names: {json.dumps(dict(enumerate(names)))}\n")
    for e in examples:
        save(root / "images" / e.split / e.name, e.size)
        if e.boxes:
            write(root / "labels" / e.split / f"{e.stem}.txt", lines(e, names))


def yolo_roboflow(root, examples, names):
    """train/images, and paths in the data.yaml that lead one folder too high."""
    for e in examples:
        save(root / e.split / "images" / e.name, e.size)
        write(root / e.split / "labels" / f"{e.stem}.txt", lines(e, names))
    its = {e.split for e in examples} | {"train"}
    paths = "".join(f"{s}: ../{s}/images\n" for s in its)
    write(root / "data.yaml", f"{paths}names: {json.dumps(names)}\n")


def yolo_labelimg(root, examples, names):
    """Text files beside the images, and no data.yaml."""
    write(root / "classes.txt", "\n".join(names))
    for e in examples:
        save(root / e.split / e.name, e.size)
        write(root / e.split / f"{e.stem}.txt", lines(e, names))


def yolo_darknet(root, examples, names):
    """Roboflow's: the names in every split."""
    for e in examples:
        write(root / e.split / "_darknet.labels", "\n".join(names))
        save(root / e.split / e.name, e.size)
        write(root / e.split / f"{e.stem}.txt", lines(e, names))


def yolo_cvat(root, examples, names):
    write(root / "obj.names", "\n".join(names))
    for e in examples:
        folder = root / {"": "obj", "val": "obj_valid_data"}.get(e.split, f"obj_{e.split}_data")
        save(folder / e.name, e.size)
        write(folder / f"{e.stem}.txt", lines(e, names))


def yolo_otherwise(root, examples, names):
    write(root / "classes.txt", "\n".join(names))
    for e in examples:
        save(root / "pictures" / e.split / e.name, e.size)
        write(root / "Labels" / e.split / f"{e.stem}.txt", lines(e, names))


def class_folders(root, examples, names):
    """The class of an image is that of its first box."""
    for e in examples:
        save(root / e.split / e.boxes[0][0] / e.name, e.size)


LAYOUTS = [
    coco_roboflow,
    coco_cvat,
    coco_label_studio,
    voc,
    voc_beside,
    voc_otherwise,
    voc_cvat,
    yolo,
    yolo_roboflow,
    yolo_labelimg,
    yolo_darknet,
    yolo_cvat,
    yolo_otherwise,
]
