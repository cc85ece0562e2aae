"""Files in COCO's format as users have them: what can be read without doubt is put right.

pycocotools, by which MMDetection's datasets and metrics read them, takes every field for granted
and the annotation of id 0 for no annotation at all.
"""

from __future__ import annotations

import functools
import importlib.util
from collections import Counter
from collections.abc import Callable


def install() -> None:
    """Let pycocotools index files as :func:`settle` leaves them."""
    if importlib.util.find_spec("pycocotools") is None:
        return
    from pycocotools.coco import COCO

    index = COCO.createIndex
    if not hasattr(index, "__wrapped__"):

        @functools.wraps(index)
        def index_settled(self: COCO) -> None:
            if isinstance(self.dataset, dict):
                settle(self.dataset)
            index(self)

        COCO.createIndex = index_settled


def settle(
    document: dict, tell: Callable[[str, str, int], object] = lambda kind, where, number: None
) -> None:
    """Put right, in place, what can mean one thing only; anything else stays as it is.

    There are then a list of annotations, an ``iscrowd`` in each, ids that an evaluation can tell
    from "unmatched", and no category without annotations that has the name of another.

    Args:
        tell: hears what was wrong, the first entry with it and their number.
    """
    annotations = document.setdefault("annotations", [])
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        return
    without = [number for number, a in enumerate(annotations) if "iscrowd" not in a]
    for number in without:
        annotations[number]["iscrowd"] = 0
    if without:
        where = f"annotations[{without[0]}]"
        tell("annotations without 'iscrowd', taken for 0", where, len(without))
    _number(annotations, tell)
    categories = document.get("categories")
    if isinstance(categories, list):
        document["categories"] = _without_doubles(categories, annotations, tell)


def root_of(document: dict) -> str | None:
    """The name of a category that only holds the others together, as Roboflow's exports have one.

    No annotation has it, and it is the ``supercategory`` of all others.
    """
    categories = document.get("categories") or []
    used = {annotation.get("category_id") for annotation in document.get("annotations") or []}
    for category in categories:
        others = [other.get("supercategory") for other in categories if other is not category]
        if others and category["id"] not in used and set(others) == {category["name"]}:
            return category["name"]
    return None


def _number(annotations: list[dict], tell: Callable) -> None:
    """pycocotools keeps ids in arrays of numbers, with 0 for none."""
    ids = [annotation.get("id") for annotation in annotations]
    if not all(type(i) in (int, str) for i in ids) or len(set(ids)) < len(ids):
        return
    unfit = [i for i in ids if not i or isinstance(i, str)]
    if unfit:
        for number, annotation in enumerate(annotations):
            annotation["id"] = number + 1
        kind = "annotations with the id 0 or a text for it: all are numbered anew"
        tell(kind, f"id {unfit[0]!r}", len(unfit))


def _without_doubles(categories: list, annotations: list[dict], tell: Callable) -> list:
    """Without the categories of another's name that no annotation has."""
    names = Counter(c.get("name") for c in categories if _is_plain(c))
    if names.total() < len(categories) or max(names.values(), default=0) < 2:
        return categories
    used = {a["category_id"] for a in annotations if type(a.get("category_id")) is int}
    kept = []
    for category in categories:
        same = [c for c in categories if c["name"] == category["name"]]
        # without annotations, as of a test set, a root is the one that says so
        chosen = [c for c in same if c["id"] in used]
        chosen = chosen or [c for c in same if c.get("supercategory") != "none"]
        if len(chosen) == 1 and chosen[0] is not category:
            where = f"{category['name']!r}, id {category['id']} beside id {chosen[0]['id']}"
            tell("categories of another's name without annotations, left out", where, 1)
        else:
            kept.append(category)
    return kept


def _is_plain(category: object) -> bool:
    return (
        isinstance(category, dict)
        and isinstance(category.get("name"), str)
        and type(category.get("id")) is int
    )
