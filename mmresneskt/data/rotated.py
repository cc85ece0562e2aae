"""The generated parcels with turned boxes for MMRotate, a module for ``custom_imports``."""

from __future__ import annotations

from mmrotate.registry import DATASETS

from .detection import ParcelsDataset


@DATASETS.register_module(force=True)
class ParcelsRotatedDataset(ParcelsDataset):
    """Generated packages on a conveyor with turned boxes, written to disk on first use.

    A ``bbox`` is x and y of four corners, as MMRotate's datasets have it (``box_type="qbox"``).

    Args:
        As :class:`ParcelsDataset`.
    """

    def parse_data_info(self, raw_data_info: dict) -> dict:
        shown = [a for a in raw_data_info["raw_ann_info"] if a["category_id"] in self.cat_ids]
        info = super().parse_data_info(raw_data_info)
        for instance, annotation in zip(info["instances"], shown, strict=True):
            instance["bbox"] = annotation["qbox"]
        return info
