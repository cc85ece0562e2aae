"""The files below a folder, and the images among them by what annotations call them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote

from PIL import Image

from mmresneskt.runtime.decoding import ENDINGS, FORMATS
from mmresneskt.runtime.errors import UserError

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_EXIF_ORIENTATION = 0x0112
_UPLOADED = re.compile(r"(?<![^/\\])[0-9a-f]{8}-(?=[^/\\]+$)")  # put first by Label Studio


def split_of(path: PurePath) -> str:
    """The split that a path names, the last part that does so; empty where none does."""
    for part in reversed(path.parts):
        for word in re.findall("[a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return ""


def split_named(folder: str) -> str:
    """The split that a folder is named after, with figures or none: train2017."""
    return SPLIT_NAMES.get(re.sub(r"[\W\d_]", "", folder.lower()), "")


class Tree:
    """The files below a folder, hidden ones left out; nothing in it is changed.

    Args:
        root: the folder; the one that an archive unpacked into is passed over.
        only: the one file of annotations to be read.

    Attributes:
        files: sorted, below ``root``.
        images: those that end as images do.

    Raises:
        UserError: the folder cannot be read.
    """

    def __init__(self, root: Path, only: Path | None = None) -> None:
        # links stay: labels/ is looked for beside the images/ that the user sees
        self.root, self.only = Path(os.path.abspath(root)), only and Path(os.path.abspath(only))
        self.files = sorted(self._walk())
        if self.files and not only:
            common = Path(os.path.commonpath([file.parent for file in self.files]))
            for folder in common.relative_to(self.root).parts:
                if split_named(folder):
                    break
                self.root /= folder
        self.images = [file for file in self.files if file.suffix.lower() in ENDINGS]
        self._by_name = defaultdict(list)
        self._by_stem = defaultdict(list)
        for image in self.images:
            self._by_name[image.name.lower()].append(image)
            self._by_stem[image.stem.lower()].append(image)

    def _walk(self) -> list[Path]:
        def stop(error: OSError) -> None:
            raise UserError(f"{error.filename} cannot be read: {error.strerror}")

        found, seen = [], set()
        for folder, folders, names in os.walk(self.root, onerror=stop, followlinks=True):
            real = os.path.realpath(folder)
            known = real in seen
            seen.add(real)
            folders[:] = [n for n in folders if not n.startswith((".", "__MACOSX")) and not known]
            paths = (Path(folder, n) for n in names if not n.startswith(".") and not known)
            found += [path for path in paths if path.is_file()]
        return found

    def of(self, *endings: str) -> list[Path]:
        """The files of annotations with these endings, or the one that was asked for."""
        files = [self.only] if self.only else self.files
        return [file for file in files if file.suffix.lower() in endings]

    def relative(self, path: Path) -> PurePath:
        """A path below the root, or the whole path where it is not."""
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def image(self, name: str, near: Path) -> Path | None:
        """The image that a file of annotations calls ``name``.

        It is there, by the path from that file or from the root; or the one that lies elsewhere
        under the name, the stem at least. Of several the one that shares most of the path, and
        the split. A name may be that of a URL or of an upload.

        Args:
            near: the file of annotations.

        Returns:
            None where there is none, or several that are equally near.
        """
        spellings = dict.fromkeys((name, unquote(name), _UPLOADED.sub("", unquote(name))))
        return next((i for n in spellings if (i := self._image(n, near))), None)

    def _image(self, name: str, near: Path) -> Path | None:
        wanted = PurePosixPath(name.replace("\\", "/"))
        if not wanted.name or "\0" in name:
            return None
        for folder in (near.parent, self.root):
            direct = Path(os.path.normpath(folder / wanted))
            if direct.suffix and direct.is_file():
                return direct
        others = self._by_name[wanted.name.lower()] or self._by_stem[wanted.stem.lower()]
        others = others or self._by_stem[wanted.name.lower()]  # a name without its ending
        beside, split = set(self.relative(near).parts[:-1]), split_of(self.relative(near))

        def nearness(image: Path) -> tuple[int, bool, int]:
            folders = self.relative(image).parts[:-1]
            pairs = zip(reversed(folders), reversed(wanted.parts[:-1]))
            shared = next((i for i, (a, b) in enumerate(pairs) if a != b), len(folders))
            same_split = split_of(PurePath(*folders)) == split
            return shared, same_split, len(beside.intersection(folders))

        ranked = sorted(others, key=nearness, reverse=True)
        if len(ranked) > 1 and nearness(ranked[0]) == nearness(ranked[1]):
            return None
        return ranked[0] if ranked else None


def size_of(image: Path) -> tuple[int, int] | None:
    """Width and height as training sees them, with EXIF's orientation; None of no image.

    Its pixels are not read.
    """
    try:
        with Image.open(image, formats=FORMATS) as opened:
            turned = opened.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            return opened.size[::-1] if turned else opened.size
    except Exception:  # decoders of broken files raise nearly anything
        return None
