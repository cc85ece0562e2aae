"""A small tree in ImageNet-1K's layout, for the tests of ``prepare-imagenet10``."""

import hashlib
import io

import numpy as np
from PIL import Image

from mmresneskt.cli import call

ALLOW = "--allow-other-counts"
WNIDS = [
    *("n01514668", "n01530575", "n01728572", "n01847000", "n01871265"),
    *("n02708093", "n02814533", "n02963159", "n03991062", "n11939491"),
]


def picture(seed, size=(64, 48), mode="RGB"):
    """Smooth colours, so that JPEG changes little of them."""
    coarse = np.random.default_rng(seed).integers(30, 220, (3, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def make_tree(root, train=3, val=1, wnids=WNIDS):
    """``train/WNID/WNID_i.JPEG`` and ``val/WNID/ILSVRC2012_val_0000000i.JPEG``."""
    for c, wnid in enumerate(wnids):
        for part, count in (("train", train), ("val", val)):
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for i in range(count):
                name = f"{wnid}_{i}" if part == "train" else f"ILSVRC2012_val_{10 * i + c + 1:08d}"
                image = picture(1000 * c + 10 * i + (part == "val"))
                (folder / f"{name}.JPEG").write_bytes(jpeg(image))
    return root


def flatten_val(root):
    """Put the validation images into one folder; return number -> WNID in their order."""
    labels = {}
    for file in sorted((root / "val").glob("*/*.JPEG")):
        labels[int(file.stem[-8:])] = file.parent.name
        file.rename(root / "val" / file.name)
    for wnid in WNIDS:
        (root / "val" / wnid).rmdir()
    return dict(sorted(labels.items()))


def contents(folder):
    """Path -> sha256 of everything in a folder, hidden files and empty folders included."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def build(root, out, *options, workers=1):
    """The command, in this process."""
    call("prepare-imagenet10", [str(root), str(out), ALLOW, "--workers", str(workers), *options])
