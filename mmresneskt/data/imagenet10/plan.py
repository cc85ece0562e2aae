"""What is made of each image: a pure function of file names and a seed.

The paper moves 300 of a class's 1300 training images to the 50 validation images, and
turns the 1000 and 350 into 3000 and 1000 with rotation, brightness and contrast. It gives
no ranges for these three: those below are ours. Copies stay on their image's side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from mmresneskt.runtime.errors import UserError

MAX_ROTATION = 30.0  # degrees, either way
FACTORS = (0.7, 1.3)  # of brightness and of contrast
# a class's share that moves, and what a side grows to: exact at the original's counts
_MOVED = (300, 1300)
_GROWTH = {"train": (3000, 1000), "test": (1000, 350)}
# what a number is drawn for; with the seed and the class it begins every generator's seed
_MOVE, _EXTRA_TRAIN, _EXTRA_TEST, _LOOK_TRAIN, _LOOK_VAL = range(1, 6)


class Look(NamedTuple):
    """Rotation in degrees, counter-clockwise; factors of brightness and contrast."""

    rotation: float
    brightness: float
    contrast: float


class Output(NamedTuple):
    """A file to make; a copy has a look, and the seed of the generator that drew it."""

    path: str
    look: Look | None = None
    seed: tuple[int, ...] | None = None


class Job(NamedTuple):
    """Everything that is made of one image: itself first, then its copies."""

    source: str
    outputs: tuple[Output, ...]


def make_plan(
    train: Mapping[str, Sequence[str]],
    val: Mapping[str, Sequence[str]],
    seed: int = 0,
    augment: bool = True,
) -> list[Job]:
    """Draw the images that move to the test side, and the copies.

    Args:
        train, val: WNID -> paths, in any order. Of other counts than 1300 and 50 the same
            shares move and are copied, rounded.

    Returns:
        One job per path, sorted by path.

    Raises:
        UserError: two images would be written to one path.
    """
    jobs = []
    for wnid in train:
        key = (seed, int(wnid[1:]))
        names, others = sorted(train[wnid]), sorted(val[wnid])
        moved = _draw(len(names), _scale(len(names), _MOVED), (*key, _MOVE))
        origins = [(name, (*key, _LOOK_TRAIN, i), i in moved) for i, name in enumerate(names)]
        origins += [(name, (*key, _LOOK_VAL, i), True) for i, name in enumerate(others)]
        for split, draw in (("train", _EXTRA_TRAIN), ("test", _EXTRA_TEST)):
            mine = [origin[:2] for origin in origins if origin[2] == (split == "test")]
            grown = _scale(len(mine), _GROWTH[split]) if augment else len(mine)
            each, extra = divmod(grown, max(len(mine), 1))
            more = _draw(len(mine), extra, (*key, draw))
            for i, (source, image_key) in enumerate(mine):
                jobs.append(_job(source, f"{split}/{wnid}", each - 1 + (i in more), image_key))
    written = Counter(output.path for job in jobs for output in job.outputs)
    twice = [path for path, count in written.items() if count > 1]
    if twice:
        raise UserError(f"two images would both be written to {twice[0]}: rename one")
    return sorted(jobs)


def _job(source: str, folder: str, copies: int, key: tuple[int, ...]) -> Job:
    stem = f"{folder}/{PurePosixPath(source).stem}"
    outputs = [Output(f"{stem}.JPEG")]
    for copy in range(1, copies + 1):
        rng = np.random.default_rng((*key, copy))
        rotation = rng.uniform(-MAX_ROTATION, MAX_ROTATION)
        # rounded, so that the manifest has the very numbers that were used
        look = Look(*(round(float(x), 4) for x in (rotation, *rng.uniform(*FACTORS, size=2))))
        outputs.append(Output(f"{stem}_c{copy}.JPEG", look, (*key, copy)))
    return Job(source, tuple(outputs))


def _draw(count: int, wanted: int, key: tuple[int, ...]) -> set[int]:
    """``wanted`` of the numbers below ``count``."""
    return set(np.random.default_rng(key).permutation(count)[:wanted].tolist())


def _scale(count: int, ratio: tuple[int, int]) -> int:
    """``count`` times the ratio, rounded half up."""
    return (2 * count * ratio[0] + ratio[1]) // (2 * ratio[1])
