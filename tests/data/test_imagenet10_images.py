"""One image of ``prepare-imagenet10``: decoded, cropped, varied."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from mmresneskt.data.imagenet10 import images
from mmresneskt.data.imagenet10.plan import Look
from mmresneskt.runtime import decoding
from tests.support.imagenet_tree import jpeg, picture


@pytest.mark.parametrize("size", [(500, 375), (333, 500), (224, 224), (75, 56), (900, 230), (9, 9)])
def test_the_crop_is_torchvision_s(size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    theirs = CenterCrop(224)(Resize(224, InterpolationMode.BICUBIC)(image))
    ours = images.crop(images.surround(image))
    difference = np.abs(np.asarray(ours, int) - np.asarray(theirs, int))
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_a_very_long_image_needs_no_more_memory_than_its_crop():
    assert images.surround(Image.new("RGB", (60_000, 2))).size == (224 + 2 * images.MARGIN,) * 2


@pytest.mark.parametrize("angle", [0, 12.5, -30, 30])
def test_a_copy_is_rotated_about_its_centre_and_has_no_empty_corner(angle):
    wide = picture(3, (700, 700))  # real surroundings, to compare the corners as well
    margin = images.MARGIN
    middle = wide.crop((238 - margin, 238 - margin, 462 + margin, 462 + margin))
    copy = images.vary(middle, Look(angle, 1, 1))
    theirs = wide.rotate(angle, Image.Resampling.BICUBIC).crop((238, 238, 462, 462))
    assert np.abs(np.asarray(copy, int) - np.asarray(theirs, int)).max() <= 1
    white = images.surround(Image.new("RGB", (300, 224), "white"))
    assert np.asarray(images.vary(white, Look(angle, 1, 1))).min() == 255


def test_brightness_multiplies_and_contrast_stretches_about_the_mean():
    half = np.full((224, 224, 3), 80, np.uint8)
    half[:, 112:] = 120
    surrounded = images.surround(Image.fromarray(half))
    dark = np.asarray(images.vary(surrounded, Look(0, 0.75, 1)))
    assert (dark[0, 9, 0], dark[0, 200, 0]) == (60, 90)
    strong = np.asarray(images.vary(surrounded, Look(0, 1, 1.25)))
    assert (strong[0, 9, 0], strong[0, 200, 0]) == (75, 125)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_an_image_upright_and_no_metadata_stays(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(picture(2), exif=exif, comment=b"secret", dpi=(300, 300))
    theirs = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    ours = decoding.decode_rgb(data)
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    written = images.encode(images.crop(images.surround(ours)))
    assert b"Exif" not in written
    assert b"secret" not in written
