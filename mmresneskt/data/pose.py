"""The generated parcels with the ends of each for MMPose, a module for ``custom_imports``."""

from __future__ import annotations

from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

from .parcels import ENDS
from .parcels.dataset import MakesParcels
from .parcels.files import IMAGES, KEYPOINTS

_MIRRORED = {"left": "right", "right": "left"}


@DATASETS.register_module(force=True)
class ParcelsPoseDataset(MakesParcels, BaseCocoStyleDataset):
    """Generated packages on a conveyor with their ends, written to disk on first use.

    Args:
        num_images, size, seed, data_root: see :class:`MakesParcels`.
        Others: as in MMPose's BaseCocoStyleDataset.
    """

    _layout = dict(ann_file=KEYPOINTS, data_prefix=dict(img=IMAGES))
    METAINFO = dict(
        dataset_name="parcels",
        keypoint_info={
            number: dict(name=name, swap=_MIRRORED.get(name, ""))
            for number, name in enumerate(ENDS)
        },
        skeleton_info={
            0: dict(link=("top", "bottom"), id=0),
            1: dict(link=("left", "right"), id=1),
        },
        joint_weights=[1.0] * len(ENDS),
        sigmas=[0.05] * len(ENDS),  # COCO's are 0.025 to 0.107
    )
