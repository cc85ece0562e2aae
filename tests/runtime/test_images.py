"""The images that a command line names: found once, read in colour, never replaced."""

import numpy as np
import pytest
from PIL import Image

from mmresneskt.data.imagenet10.images import CorruptImage
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.images import find_images, picture_files, read_image


def test_every_kind_of_image_is_read_in_colour_and_upright(tmp_path):
    image = np.full((40, 60, 3), (200, 60, 30), np.uint8)  # RGB
    image[:, :10] = 10
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(image)
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    picture.convert("RGBA").save(tmp_path / "alpha.png")
    picture.convert("L").save(tmp_path / "grey.png")
    picture.quantize(4, dither=Image.Dither.NONE).save(tmp_path / "palette.png")
    Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    grey = np.repeat(np.asarray(picture.convert("L"))[..., None], 3, 2)
    for name, expected, tolerance in (
        ("turned.jpg", np.rot90(image, -1), 12),
        ("cmyk.jpg", image, 12),
        ("alpha.png", image, 0),
        ("grey.png", grey, 0),
        ("palette.png", image, 0),
        ("deep.png", np.repeat(image[..., :1], 3, 2), 1),
    ):
        read = read_image(tmp_path / name)[..., ::-1]
        assert read.shape == expected.shape, name
        middle = np.abs(read.astype(int) - expected)[15:, 15:]  # away from the edge's ringing
        assert middle.max() <= tolerance, name


def test_a_folder_in_place_of_a_file_is_no_image(tmp_path):
    with pytest.raises(CorruptImage):
        read_image(tmp_path)


def test_images_are_found_once(tmp_path):
    for name in ("b.JPG", "a.png", "c.txt", "sub/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([str(tmp_path), str(tmp_path / "*.png"), str(tmp_path / "**/*.jpg")])
    assert [p.name for p in found] == ["a.png", "b.JPG", "d.jpg"]


def test_pictures_never_replace_images_or_each_other(tmp_path):
    images = [tmp_path / name for name in ("a/x.jpg", "b/X.jpg", "y.gif")]
    names = [p.relative_to(tmp_path / "o") for p in picture_files(images, tmp_path / "o")]
    assert [str(name) for name in names] == ["a/x.jpg", "b/X.jpg", "y.gif.png"]
    assert picture_files(images[:1], tmp_path / "o") == [tmp_path / "o/x.jpg"]
    with pytest.raises(UserError, match=r"would replace .*x\.jpg"):
        picture_files(images[:1], tmp_path / "a")
