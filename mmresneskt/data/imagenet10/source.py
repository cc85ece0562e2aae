"""The images of the ten classes in a tree of ImageNet-1K, which is only ever read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from mmresneskt.runtime.errors import UserError

SYNSETS = {
    "paper": {
        "n01514668": "cock",
        "n01530575": "brambling",
        "n01728572": "thunder snake",
        "n01847000": "drake",
        "n01871265": "tusker",
        "n02708093": "analog clock",
        "n02814533": "beach wagon",
        "n02963159": "cardigan",
        "n03991062": "pot",
        "n11939491": "daisy",
    },
    "author": {
        "n01440764": "tench",
        "n01443537": "goldfish",
        "n01484850": "great white shark",
        "n01491361": "tiger shark",
        "n01494475": "hammerhead",
        "n01496331": "electric ray",
        "n01498041": "stingray",
        "n01514668": "cock",
        "n01514859": "hen",
        "n01518878": "ostrich",
    },
}
"""The ten that the paper names, and the ten of the author's training script, each in the order of
their WNIDs, which is that of the labels."""

IMAGENET_LABELS = {
    **dict(zip((7, 10, 52, 97, 101, 409, 436, 474, 738, 985), SYNSETS["paper"])),
    **dict(zip(range(10), SYNSETS["author"])),
}
"""Their places among all 1000 WNIDs in order: the labels of 1000-class models and lists."""

_NAMES = {**SYNSETS["paper"], **SYNSETS["author"]}

# where a list of labels may be under the root; which format it has, its lines say
_LISTS = (
    "LOC_val_solution.csv",
    "imagenet_2012_validation_synset_labels.txt",
    "synset_labels.txt",
    "val/imagenet_2012_validation_synset_labels.txt",
    "val/synset_labels.txt",
    "meta/val.txt",
    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
)
_NAME = r"ILSVRC2012_val_(\d{8})"
# the number of an image, none where the lines are in the order of the images, and its label
_LINES = (rf"{_NAME},(n\d{{8}})\b.*", r"()(n\d{8})", rf"{_NAME}\S*\s+(\d+)", r"()(\d+)")


class Images(NamedTuple):
    """WNID -> sorted paths, with slashes, relative to ``base``, which has train/ and val/."""

    base: Path
    train: dict[str, list[str]]
    val: dict[str, list[str]]


def find_images(root: Path, val_labels: Path | None = None, classes: str = "paper") -> Images:
    """List the images of ten classes under an ImageNet root, or Kaggle's.

    Args:
        classes: whose, a key of :data:`SYNSETS`.
        val_labels: of validation images in one folder, by default one of the usual lists.

    Raises:
        UserError: folders or labels are not there or do not fit, or a class has no images.
    """
    bases = (root, root / "ILSVRC/Data/CLS-LOC")
    base = next((b for b in bases if (b / "train").is_dir() and (b / "val").is_dir()), None)
    if base is None:
        raise UserError(
            f"{root} has no train/ folder beside a val/ folder, nor has {bases[1]}: expected the "
            f"root of ImageNet-1K, with train/WNID/*.JPEG and val/"
        )
    wnids = list(SYNSETS[classes])
    train, val = ({w: _list(base, f"{part}/{w}") for w in wnids} for part in ("train", "val"))
    if not any(val.values()):
        val = _by_label(base, root, val_labels, wnids)
    missing = [f"train/{w} ({_NAMES[w]})" for w in wnids if not train[w]]
    missing += [f"val/{w} ({_NAMES[w]})" for w in wnids if not val[w]]
    if missing:
        raise UserError(f"{base} has no images of {', '.join(missing)}")
    return Images(base, train, val)


def wrong_counts(images: Images) -> list[str]:
    """One line for each class whose count is not the original's 1300 and 50."""
    return [
        f"{part}/{wnid} ({_NAMES[wnid]}): {len(paths)} of {expected} images"
        for part, expected in (("train", 1300), ("val", 50))
        for wnid, paths in getattr(images, part).items()
        if len(paths) != expected
    ]


def read_labels(file: Path) -> dict[int, str]:
    """Number of a validation image -> WNID, which may be "" where it is none of theirs.

    Raises:
        UserError: it is in none of the formats, or the devkit's ``meta.mat`` is not to be read.
        OSError: it cannot be read.
    """
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("ImageId,")]  # Kaggle's header
    tried = ([re.fullmatch(form, line) for line in lines] for form in _LINES)
    matches = next((found for found in tried if found and all(found)), None)
    if matches is None:
        raise UserError(
            f"{file} is no list of validation labels: expected LOC_val_solution.csv, WNIDs alone, "
            f"the devkit's ground truth, or lines like 'ILSVRC2012_val_00000001.JPEG 65'"
        )
    devkit = lines[0].isdecimal()
    wnids = _devkit_wnids(file.with_name("meta.mat")) if devkit else IMAGENET_LABELS
    labels = {int(match[1] or i): match[2] for i, match in enumerate(matches, start=1) if match}
    return {i: wnids.get(int(x), "") if x.isdecimal() else x for i, x in labels.items()}


def _devkit_wnids(meta: Path) -> dict[int, str]:
    """ILSVRC2012_ID -> WNID: their orders differ."""
    try:
        from scipy.io import loadmat

        with meta.open("rb") as file:
            synsets = loadmat(file, squeeze_me=True)["synsets"]
        return {int(i): str(w) for i, w in zip(synsets["ILSVRC2012_ID"], synsets["WNID"])}
    except Exception as error:  # scipy is not there, or raises nearly anything
        raise UserError(
            f"the devkit's numbers need {meta}, read with scipy ({type(error).__name__}: {error}): "
            f"put that right, or name another list of labels with --val-labels"
        ) from error


def _by_label(base: Path, root: Path, file: Path | None, wnids: list[str]) -> dict[str, list[str]]:
    usual = [folder / place for place in _LISTS for folder in (root, base)]
    file = file or next((path for path in usual if path.is_file()), None)
    if file is None:
        raise UserError(
            f"{base / 'val'} has no folder per WNID, and no list of the labels of images in one "
            f"folder is there: put one of {', '.join(p for p in _LISTS if p[:4] != 'val/')} into "
            f"{root}, or name it with --val-labels"
        )
    labels = read_labels(file)
    matches = (re.fullmatch(f"(val/{_NAME}.*)", path) for path in _list(base, "val"))
    numbers = {match[1]: int(match[2]) for match in matches if match}
    unknown = [path for path, number in numbers.items() if number not in labels]
    if unknown:
        raise UserError(f"{file} has no label for {', '.join(unknown[:3])}")
    return {w: [path for path, number in numbers.items() if labels[number] == w] for w in wnids}


def _list(base: Path, folder: str) -> list[str]:
    """Sorted; without hidden files, of which some systems leave one beside every image."""
    found = (base / folder).glob("[!.]*")
    names = (p.name for p in found if p.suffix.lower() in (".jpeg", ".jpg") and p.is_file())
    return [f"{folder}/{name}" for name in sorted(names)]
