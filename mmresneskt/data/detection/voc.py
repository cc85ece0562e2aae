"""Any folder in Pascal VOC's layout, whatever its classes."""

from __future__ import annotations

import functools
import logging
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import mmcv
from mmdet.datasets import XMLDataset
from mmdet.registry import DATASETS
from mmengine.fileio import get, get_local_path, list_from_file
from mmengine.logging import print_log

from mmresneskt.runtime.decoding import ENDINGS
from mmresneskt.runtime.errors import UserError, printable
from mmresneskt.runtime.xml_files import read_xml


def read_classes(annotations: str | Path) -> tuple[str, ...]:
    """Class names found in a folder's XML files, without blanks around them, sorted.

    Raises:
        FileNotFoundError: the folder holds no XML file.
        UserError: no file names an object, or one is not XML; the message names it.
    """
    files = sorted(Path(annotations).glob("*.xml"))
    if not files:
        raise FileNotFoundError(f"no annotations: {annotations} holds no .xml file")
    names = set()
    for file in files:
        try:
            root = read_xml(file)
        except ValueError as error:
            raise UserError(f"{file} cannot be used: {error}") from None
        names |= {name.text.strip() for name in root.iterfind("object/name") if name.text}
    names.discard("")
    if not names:
        raise UserError(f"no classes: none of the {len(files)} files in {annotations} has objects")
    return tuple(sorted(names))


@DATASETS.register_module(force=True)
class VOCFolderDataset(XMLDataset):
    """Annotations/*.xml, JPEGImages/* and a list of names, as in Pascal VOC.

    Without ``metainfo=dict(classes=...)`` the classes are all those that the folder's
    annotations name, of every split, so that the splits agree. An image may have any ending:
    .jpg, else that of its annotation's ``<filename>``, else that of the one image of its name.
    Blanks around a name are no part of it, and an annotation is read in the encoding that it
    declares.

    Args:
        ann_file: list of image names without extension, one a line.
        data_prefix: ``sub_data_root`` is joined to ``data_root``.
        Others: as in MMDetection's XMLDataset.
    """

    source_hint = "it is a list of image names in a folder like Pascal VOC's"
    read_xml = staticmethod(read_xml)
    """By which the checks before a run read its annotations too."""

    def _join_prefix(self) -> None:
        super()._join_prefix()
        if not self._metainfo.get("classes"):
            self._metainfo["classes"] = read_classes(Path(self.sub_data_root) / self.ann_subdir)

    def load_data_list(self) -> list[dict]:
        """Images and their boxes; boxes without area are left out, and counted once."""
        self._without_area: list[str | None] = []
        self._listed = functools.cache(_images_by_name)
        self.cat2label = {name: label for label, name in enumerate(self._metainfo["classes"])}
        lines = list_from_file(self.ann_file, backend_args=self.backend_args)
        names = [line.strip() for line in lines]
        images = [self.parse_data_info(dict(img_id=name)) for name in names if name]
        del self._listed  # a worker gets a copy of the dataset
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
        """One image's path, size and boxes; its name is the ``img_id``."""
        name = img_info["img_id"]
        annotation = str(Path(self.sub_data_root, self.ann_subdir, f"{name}.xml"))
        with get_local_path(annotation, backend_args=self.backend_args) as file:
            root = read_xml(file)
        image = self._image(name, root.findtext("filename") or "")
        size = root.find("size")
        if size is None:
            pixels = mmcv.imfrombytes(get(image, backend_args=self.backend_args))
            height, width = pixels.shape[:2]
        else:
            height, width = (int(size.findtext(side, "")) for side in ("height", "width"))
        for tag in root.iterfind("object/name"):
            tag.text = (tag.text or "").strip()
        info = dict(img_path=image, img_id=name, xml_path=annotation, height=height, width=width)
        return dict(info, instances=self._parse_instance_info(root))

    def _image(self, name: str, filename: str) -> str:
        """The path of an image, whether it is there or not."""
        path = Path(self.sub_data_root, self.img_subdir, name)
        there = [] if self.backend_args else self._listed(path.parent).get(path.name, [])
        wanted = [f"{path.name}.jpg", f"{path.name}{Path(filename).suffix}"]
        found = [file for file in wanted if file in there]
        chosen = found or (there if len(there) == 1 else wanted)
        return str(path.with_name(chosen[0]))

    def _parse_instance_info(self, raw_ann_info: ET.Element, minus_one: bool = True) -> list:
        """XMLDataset's boxes but for those under one pixel, which make the loss NaN."""
        boxes = super()._parse_instance_info(raw_ann_info, minus_one)
        kept = [b for b in boxes if b["bbox"][2] - b["bbox"][0] >= 1 <= b["bbox"][3] - b["bbox"][1]]
        name = raw_ann_info.findtext("filename")
        self._without_area += [name] * (len(boxes) - len(kept))
        return kept


def _images_by_name(folder: Path) -> dict[str, list[str]]:
    """The images in a folder by their names without ending."""
    found: dict[str, list[str]] = {}
    for file in sorted(os.listdir(folder)) if folder.is_dir() else ():
        if file.lower().endswith(ENDINGS):
            found.setdefault(Path(file).stem, []).append(file)
    return found
