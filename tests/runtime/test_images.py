"""The images that a command line names: found once, never replaced."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from mmresneskt.runtime.decoding import read_image
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.images import find_images, picture_files
from tests.support.helpers import ROOT

ENDINGS = (".jpg", ".JPG", ".png", ".gif", ".gif.png", ".ppm", "")


def test_images_are_found_once(tmp_path):
    for name in ("b.JPG", "a.png", "c.txt", "sub/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([str(tmp_path), str(tmp_path / "*.png"), str(tmp_path / "**/*.jpg")])
    assert [p.name for p in found] == ["a.png", "b.JPG", "d.jpg"]


def test_a_folder_of_all_formats_that_the_docs_name_is_read_whole(tmp_path):
    text = (ROOT / "docs/predict-and-deploy.md").read_text()
    named = {n.upper() for n in re.findall(r"[A-Z]\w+", re.search("Read are (.*?), by", text)[1])}
    usual = [".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
    assert {Image.registered_extensions()[ending] for ending in usual} == named
    for ending in usual:
        Image.new("L" if ending == ".pgm" else "RGB", (9, 7)).save(tmp_path / f"x{ending}")
    found = find_images([str(tmp_path)])
    assert [image.suffix for image in found] == usual
    assert all(read_image(image).shape == (7, 9, 3) for image in found)


def test_pictures_never_replace_images_or_each_other(tmp_path):
    images = [tmp_path / name for name in ("a/x.jpg", "b/X.jpg", "y.gif")]
    names = [p.relative_to(tmp_path / "o") for p in picture_files(images, tmp_path / "o")]
    assert [str(name) for name in names] == ["a/x.jpg", "b/X.jpg", "y.gif.png"]
    assert picture_files(images[:1], tmp_path / "o") == [tmp_path / "o/x.jpg"]
    with pytest.raises(UserError, match=r"would replace .*x\.jpg"):
        picture_files(images[:1], tmp_path / "a")


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.text("xX.é", min_size=1), st.sampled_from(ENDINGS)),
        min_size=1,
        unique=True,
    )
)
@example([("a", "x", ".gif"), ("a", "x.gif", ".png"), ("a", "x.gif-2", ".png")])
@example([("a", "é" * 125, ending) for ending in (".gif", ".ppm", ".JPG")])
def test_every_picture_has_a_name_of_its_own(parts):
    images = [Path("/in", folder, f"n{name}{ending}") for folder, name, ending in parts]
    pictures = picture_files(images, Path("/out"))
    assert len(set(pictures)) == len(images)
    for image, picture in zip(images, pictures):
        assert len(os.fsencode(picture.name)) <= 255
        assert picture.name == image.name or picture.suffix == ".png"
