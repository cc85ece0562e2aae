"""Any folder in Pascal VOC's layout, whatever its classes."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from pathlib import Path

from mmdet.datasets import XMLDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from mmresneskt.runtime.errors import printable


def read_classes(annotations: str | Path) -> tuple[str, ...]:
    """Class names found in a folder's XML files, sorted.

    Raises:
        FileNotFoundError: the folder holds no XML file.
        ValueError: no file names an object, or one is not XML; the message names it.
    """
    files = sorted(Path(annotations).glob("*.xml"))
    if not files:
        raise FileNotFoundError(f"no annotations: {annotations} holds no .xml file")
    names = set()
    for file in files:
        try:
            root = ET.parse(file).getroot()
        except ET.ParseError as error:
            raise ValueError(f"{file} is not valid XML: {error}") from None
        names |= {name.text.strip() for name in root.iterfind("object/name") if name.text}
    if not names:
        raise ValueError(f"no classes: none of the {len(files)} files in {annotations} has objects")
    return tuple(sorted(names))


@DATASETS.register_module(force=True)
class VOCFolderDataset(XMLDataset):
    """Annotations/*.xml, JPEGImages/* and a list of names, as in Pascal VOC.

    Without ``metainfo=dict(classes=...)`` the classes are all those that the folder's
    annotations name, of every split, so that the splits agree. Images may have any
    extension that their annotation's ``<filename>`` gives.

    Args:
        ann_file: list of image names without extension, one a line.
        data_prefix: ``sub_data_root`` is joined to ``data_root``.
        Others: as in MMDetection's XMLDataset.
    """

    source_hint = "it is a list of image names in a folder like Pascal VOC's"

    def _join_prefix(self) -> None:
        super()._join_prefix()
        if not self._metainfo.get("classes"):
            self._metainfo["classes"] = read_classes(Path(self.sub_data_root) / self.ann_subdir)

    def load_data_list(self) -> list[dict]:
        """Images and their boxes; boxes without area are left out, and counted once."""
        self._without_area: list[str | None] = []
        images = super().load_data_list()
        if self._without_area:
            print_log(
                printable(
                    f"{self.ann_file}: left out {len(self._without_area)} boxes without area "
                    f"(first in {self._without_area[0]})"
                ),
                logger="current",
                level=logging.WARNING,
            )
        return images

    def parse_data_info(self, img_info: dict) -> dict:
        """One image's path, size and boxes; ``img_info`` names its annotation."""
        image = Path(self.sub_data_root) / img_info["file_name"]
        if not image.exists():  # not a .jpg, then
            filename = ET.parse(img_info["xml_path"]).findtext("filename") or ""
            suffix = Path(filename).suffix or image.suffix
            img_info["file_name"] = str(Path(img_info["file_name"]).with_suffix(suffix))
        return super().parse_data_info(img_info)

    def _parse_instance_info(self, raw_ann_info: ET.ElementTree, minus_one: bool = True) -> list:
        """XMLDataset's boxes but for those under one pixel, which make the loss NaN."""
        boxes = super()._parse_instance_info(raw_ann_info, minus_one)
        kept = [b for b in boxes if b["bbox"][2] - b["bbox"][0] >= 1 <= b["bbox"][3] - b["bbox"][1]]
        name = raw_ann_info.findtext("filename")
        self._without_area += [name] * (len(boxes) - len(kept))
        return kept
