"""Labels of the validation images where they lie in one folder, in the formats there are.

Every format gives the same: the number in ``ILSVRC2012_val_00000001.JPEG`` -> its WNID.
"""

from __future__ import annotations

import re
from pathlib import Path

from .synsets import IMAGENET_LABELS

# under the root; what each is, its lines say
PLACES = (
    "LOC_val_solution.csv",
    "imagenet_2012_validation_synset_labels.txt",
    "synset_labels.txt",
    "val/imagenet_2012_validation_synset_labels.txt",
    "val/synset_labels.txt",
    "meta/val.txt",
    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
)
_NAME = re.compile(r"ILSVRC2012_val_(\d{8})")


def number(name: str) -> int | None:
    """The number in a validation image's name, or None where it has another name."""
    match = _NAME.match(name)
    return int(match[1]) if match else None


def read_labels(file: Path) -> dict[int, str]:
    """Image number -> WNID, from a file in any of the formats, told apart by its lines.

    A label that is none of the ten classes may be missing, or be another WNID.

    Raises:
        OSError: it, or the ``meta.mat`` that its numbers need, cannot be read.
        ValueError: it is in none of the formats, or scipy is needed and not there.
    """
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("ImageId,"):
        return _kaggle(lines[1:])
    if lines and all(re.fullmatch(r"n\d{8}", line) for line in lines):
        return dict(enumerate(lines, start=1))
    if lines and all(line.isdecimal() for line in lines):
        return _devkit(lines, file.with_name("meta.mat"))
    if lines and all(re.fullmatch(r"\S+\s+\d+", line) and _NAME.match(line) for line in lines):
        return _names_and_indices(lines)
    raise ValueError(
        f"{file} is no list of validation labels: expected Kaggle's LOC_val_solution.csv, a WNID "
        f"per line, the devkit's ground truth, or lines like 'ILSVRC2012_val_00000001.JPEG 65'"
    )


def _kaggle(lines: list[str]) -> dict[int, str]:
    """Lines such as ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``."""
    pairs = (line.partition(",") for line in lines)
    return {number(name): boxes.split()[0] for name, _, boxes in pairs if boxes and number(name)}


def _names_and_indices(lines: list[str]) -> dict[int, str]:
    """MMPretrain's: the index is the place among all 1000 WNIDs in order."""
    pairs = (line.split() for line in lines)
    return {number(name): IMAGENET_LABELS.get(int(index), "") for name, index in pairs}


def _devkit(lines: list[str], meta: Path) -> dict[int, str]:
    """ILSVRC2012_IDs, which are not in the WNIDs' order: ``meta.mat`` has the WNIDs."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ValueError(
            f"the devkit's {meta} is read with scipy, which is not installed: pip install scipy, "
            f"or name another list of labels with --val-labels"
        ) from None
    if not meta.is_file():
        raise FileNotFoundError(f"{meta} is missing: the devkit's numbers mean nothing without it")
    try:
        synsets = loadmat(meta, squeeze_me=True)["synsets"]
        wnids = {int(i): str(w) for i, w in zip(synsets["ILSVRC2012_ID"], synsets["WNID"])}
    except Exception as error:  # scipy raises many things for what is no such file
        raise ValueError(f"{meta} is not the devkit's ({error})") from error
    return {i: wnids.get(int(line), "") for i, line in enumerate(lines, start=1)}
