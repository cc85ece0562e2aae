"""Draw the splits that a folder does not have; the same ones every time."""

from __future__ import annotations

import random
from collections import Counter

from mmresneskt.data.layouts.found import Found, Picture
from mmresneskt.runtime.errors import UserError

_SEED = 0
_SHARE = 0.15
"""Of the images, for each split that is drawn."""

Splits = dict[str, list[Picture]]


def complete_splits(found: Found, kept: dict[str, str]) -> tuple[Splits, dict[str, str]]:
    """Train, val and test of a data set.

    Where nothing is split, val and test are drawn; where val alone is missing, val is, from train.
    Where test alone is missing, it is val. A class keeps an image in train.

    Args:
        kept: an earlier draw, which stays; images that it does not have are drawn beside it.

    Returns:
        The images, and the split of each that was drawn, by its path below the root.

    Raises:
        UserError: there is no image to train on, or too few to draw from.
    """
    given = {split: list(pictures) for split, pictures in found.splits.items()}
    pool = given.pop("", []) + given.pop("train", [])
    if not pool:
        named = ", ".join(given)
        raise UserError(f"{found.root}: there are images in {named}, and none in train")
    wanted = [] if "val" in given else ["val"]
    wanted += [] if given else ["test"]
    by_key = {str(found.tree.relative(p.path)): p for p in pool}
    drawn = _draw(by_key, kept, wanted) if wanted else {}
    splits: Splits = {"train": [], "val": [], "test": []}
    for key, picture in by_key.items():
        splits[drawn.get(key, "train")].append(picture)
    for split, pictures in given.items():
        splits[split] += pictures
    if not splits["val"]:
        raise UserError(
            f"{found.root}: {len(pool)} images are too few to draw a split to evaluate on, and to "
            f"keep one of every class to train on. Add images, or a folder val of them"
        )
    splits["test"] = splits["test"] or splits["val"]
    return splits, drawn


def _draw(pool: dict[str, Picture], kept: dict[str, str], wanted: list[str]) -> dict[str, str]:
    drawn = {key: kept[key] for key in pool if kept.get(key) in ("train", *wanted)}
    new = sorted(pool.keys() - drawn.keys())
    random.Random(_SEED).shuffle(new)
    least = 0 if drawn else 1
    missing = Counter({split: max(least, round(_SHARE * len(new))) for split in wanted})
    left = Counter(
        n for k, p in pool.items() if drawn.get(k) in (None, "train") for n in set(p.names())
    )
    empty = set() if drawn else set(wanted)
    for key in new:
        names = set(pool[key].names())
        split = next((s for s in wanted if missing[s]), "train")
        # a split without an object cannot be evaluated on
        unfit = any(left[name] < 2 for name in names) or (not names and split in empty)
        if split != "train" and unfit:
            split = "train"
        if split != "train":
            missing[split] -= 1
            empty.discard(split)
            left.subtract(names)
        drawn[key] = split
    return drawn
