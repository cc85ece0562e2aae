"""The ten synsets of the paper, in the order of their WNIDs, which is that of the labels."""

from __future__ import annotations

SYNSETS = {
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
}

# their places among all 1000 WNIDs in order: the labels of 1000-class models and lists
_PLACES = (7, 10, 52, 97, 101, 409, 436, 474, 738, 985)
IMAGENET_LABELS = dict(zip(_PLACES, SYNSETS))
