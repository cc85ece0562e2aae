"""Find the ten classes' images in a tree of ImageNet-1K; it is only ever read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .labels import PLACES, number, read_labels
from .synsets import SYNSETS

EXPECTED = {"train": 1300, "val": 50}
_KAGGLE = Path("ILSVRC/Data/CLS-LOC")
_SUFFIXES = (".jpeg", ".jpg")


@dataclass(frozen=True)
class Images:
    """The images of the ten classes.

    Attributes:
        base: the folder that has train/ and val/.
        train, val: WNID -> sorted paths relative to ``base``, with slashes.
    """

    base: Path
    train: dict[str, list[str]]
    val: dict[str, list[str]]


def find_images(root: str | Path, val_labels: str | Path | None = None) -> Images:
    """List the images of the ten classes under an ImageNet root.

    Args:
        root: has train/ and val/, itself or under Kaggle's ``ILSVRC/Data/CLS-LOC``. Train
            has a folder per WNID; val has, too, or all images in one.
        val_labels: labels of the validation images in one folder; by default whichever
            of :data:`.labels.PLACES` is there.

    Raises:
        FileNotFoundError: train/, val/, or the labels are not there.
        ValueError: classes have no images, or the labels do not fit; all are named.
        OSError: a folder cannot be read.
    """
    root = Path(root)
    base = next((b for b in (root, root / _KAGGLE) if (b / "train").is_dir()), None)
    if base is None:
        raise FileNotFoundError(
            f"{root} has no train/ folder, nor has {root / _KAGGLE}: expected the root of "
            f"ImageNet-1K, with train/WNID/*.JPEG and val/"
        )
    if not (base / "val").is_dir():
        raise FileNotFoundError(f"{base} has no val/ folder beside train/")
    train = _by_folder(base, "train")
    if any((base / "val" / wnid).is_dir() for wnid in SYNSETS):
        val = _by_folder(base, "val")
    else:
        val = _by_label(base, root, None if val_labels is None else Path(val_labels))
    empty = [
        f"{part}/{wnid} ({SYNSETS[wnid]})"
        for part, found in (("train", train), ("val", val))
        for wnid, paths in found.items()
        if not paths
    ]
    if empty:
        raise ValueError(f"{base} has no images of {', '.join(empty)}")
    return Images(base, train, val)


def wrong_counts(images: Images) -> list[str]:
    """One line for each class whose count is not the original's 1300 and 50."""
    lines = []
    for part, expected in EXPECTED.items():
        for wnid, paths in getattr(images, part).items():
            short = expected - len(paths)
            if short:
                lines.append(
                    f"{part}/{wnid} ({SYNSETS[wnid]}): {len(paths)} of {expected} images, "
                    f"{abs(short)} {'short' if short > 0 else 'too many'}"
                )
    return lines


def _by_folder(base: Path, part: str) -> dict[str, list[str]]:
    found = {}
    for wnid in SYNSETS:
        folder = base / part / wnid
        names = _image_names(folder) if folder.is_dir() else []
        found[wnid] = [f"{part}/{wnid}/{name}" for name in names]
    return found


def _by_label(base: Path, root: Path, file: Path | None) -> dict[str, list[str]]:
    numbers = {name: number(name) for name in _image_names(base / "val")}
    numbers = {name: i for name, i in numbers.items() if i is not None}
    if not numbers:
        raise FileNotFoundError(
            f"{base / 'val'} has neither a folder per WNID nor ILSVRC2012_val_*.JPEG images"
        )
    if file is None:
        candidates = [folder / place for place in PLACES for folder in (root, base)]
        file = next((path for path in candidates if path.is_file()), None)
    if file is None:
        raise FileNotFoundError(
            f"{base / 'val'} has its images in one folder, and no list of their labels is there: "
            f"put one of {', '.join(p for p in PLACES if not p.startswith('val/'))} into {root}, "
            f"or name it with --val-labels"
        )
    labels = read_labels(file)
    unknown = [name for name, i in numbers.items() if i not in labels]
    if unknown:
        raise ValueError(
            f"{file} has no label for {unknown[0]}"
            + (f" and {len(unknown) - 1} other images" if unknown[1:] else "")
        )
    found = {wnid: [] for wnid in SYNSETS}
    for name, i in numbers.items():
        if labels[i] in found:
            found[labels[i]].append(f"val/{name}")
    return found


def _image_names(folder: Path) -> list[str]:
    """Sorted; without hidden files, of which some systems leave one beside every image."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(_SUFFIXES)
            and not entry.name.startswith(".")
            and entry.is_file()
        )
