"""The generated parcels with the ends of each, as a dataset that makes its own files."""

from __future__ import annotations

from collections.abc import Sequence

from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

from ..parcels import ENDS
from ..parcels.files import IMAGES, KEYPOINTS, parcels_in

_MIRRORED = {"left": "right", "right": "left"}


@DATASETS.register_module(force=True)
class ParcelsPoseDataset(BaseCocoStyleDataset):
    """Generated packages on a conveyor with their ends, written to disk on first use.

    Args:
        num_images, size, seed: see :func:`write_parcels`; size is width, height.
        data_root: each combination of the three gets a folder of its own in here.
        Others: as in MMPose's BaseCocoStyleDataset.
    """

    makes_its_files = True
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

    def __init__(
        self,
        num_images: int,
        size: Sequence[int] = (160, 160),
        seed: int = 0,
        data_root: str = "data/parcels",
        **options: object,
    ) -> None:
        super().__init__(
            data_root=str(parcels_in(data_root, num_images, size, seed)),
            ann_file=KEYPOINTS,
            data_prefix=dict(img=IMAGES),
            **options,
        )
