"""Images of strangers: decoded whole, in colour and soon, or refused with a reason."""

import io
import os
import socket
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmresneskt.runtime import decoding
from mmresneskt.runtime.decoding import (
    CorruptImage,
    check_image,
    decode_image,
    decode_rgb,
    read_file,
    read_image,
)
from mmresneskt.runtime.limits import MAX_BYTES, MAX_PIXELS
from tests.support.image_files import encoded, png_of_size
from tests.support.imagenet_tree import jpeg, picture


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", dict(progressive=True)),
        ("PNG", {}),
        ("WEBP", {}),
        ("BMP", {}),
        ("TIFF", {}),
    ],
)
def test_whole_images_pass_and_truncated_ones_do_not(format, options):
    whole = encoded(format, **options)
    assert decode_image(whole).shape == (48, 64, 3)
    check_image(whole + bytes(100))  # some cameras pad
    for share in (0, 0.3, 0.7, 0.95):
        with pytest.raises(CorruptImage):
            decode_image(whole[: int(share * len(whole))])


def test_pixels_that_spell_a_word_stand_for_no_end():
    whole = encoded("BMP")
    for cut in (whole[:-100] + b"none", whole[:-100] + b"None"):
        with pytest.raises(CorruptImage, match="truncated"):
            check_image(cut)


def test_what_is_no_image_is_told():
    with pytest.raises(CorruptImage, match="not an image"):
        decode_image(b"<html>not found</html>")


@pytest.mark.parametrize("size", [(20_000, 20_000), (1_000_000, 1_000_000), (65_500, 65_500)])
def test_decompression_bombs_are_refused_by_their_header(size):
    bombs = [png_of_size(*size)]
    jpeg = bytearray(encoded())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", min(size[1], 65_500), min(size[0], 65_500))
    for bomb in (*bombs, bytes(jpeg)):
        with pytest.raises(CorruptImage, match=f"over {MAX_PIXELS:,} pixels"):
            decode_image(bomb)


def test_a_size_that_the_file_cannot_hold_is_refused():
    jpeg = bytearray(encoded())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 13_000, 13_000)
    with pytest.raises(CorruptImage, match="13000x13000 pixels cannot be in"):
        decode_image(bytes(jpeg))
    buffer = io.BytesIO()  # a whole image with as little in it as there can be
    Image.new("L", (4096, 4096)).save(buffer, "JPEG", quality=1, progressive=True, optimize=True)
    assert decode_image(buffer.getvalue()).shape == (4096, 4096, 3)


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


@pytest.mark.parametrize("ending", [".hdr", ".pfm", ".avif", ".jp2", ".sr"])
def test_other_formats_are_refused_whatever_opencv_knows(ending):
    """Nobody has looked at their size."""
    pixels = np.full((80, 90, 3), 100, np.float32 if ending in (".hdr", ".pfm") else np.uint8)
    try:
        data = cv2.imencode(ending, pixels)[1].tobytes()
    except cv2.error:
        pytest.skip("not in this OpenCV")
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    with pytest.raises(CorruptImage, match="not an image in JPEG, PNG, .* or WEBP"):
        decode_image(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_the_size_that_is_checked_is_the_one_that_is_decoded(format):
    data = encoded(format, size=(37, 23))
    if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None:
        pytest.skip("not in this OpenCV")
    assert decode_image(data).shape == (23, 37, 3)
    assert decode_image(data, backend="pillow").shape == (23, 37, 3)


def many_scans(scans):
    """A progressive JPEG whose last scan comes many times; each changes nothing."""
    buffer = io.BytesIO()
    Image.new("L", (6000, 6000)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    at, end = data.rindex(b"\xff\xda"), len(data) - 2
    return data[:end] + data[at:end] * scans + data[end:]


def many_texts(texts):
    """A PNG with texts of a few kilobytes that unfold to megabytes, behind its pixels."""
    data, text = encoded("PNG"), b"k\0\0" + zlib.compress(bytes(7_900_000), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    return data[:-12] + chunk * texts + data[-12:]


def ends_of_lines(height, width=20_000):
    """A BMP with run lengths that says of each line only where it ends."""
    body = b"\1\1\0\0" * height + b"\0\1"
    start = 54 + 1024
    header = struct.pack("<IHHI", start + len(body), 0, 0, start)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + header + bytes(1024) + body


def large_tile(side):
    """A TIFF of 16x16 pixels in a tile of many more."""
    content = zlib.compress(bytes(side * side), 9)
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side)]
    tags += [(323, side), (324, 14 + 12 * 10), (325, len(content))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + content


@pytest.mark.parametrize(
    ("make", "few", "many", "why"),
    [
        (many_scans, 20, 600, "scans of 6000x6000 pixels"),
        (many_texts, 2, 1000, "1000 compressed texts"),
        (ends_of_lines, 10, 8000, "this kind of BMP"),
        (large_tile, 64, 13_392, "tiles of 13392x13392 pixels"),
    ],
)
def test_what_would_keep_a_decoder_busy_is_refused(make, few, many, why):
    check_image(make(few))
    data = make(many)
    assert len(data) < 10_000_000
    started = time.process_time()
    with pytest.raises(CorruptImage, match=why):
        decode_image(data)
    assert time.process_time() - started < 1


def test_a_header_without_an_end_is_not_walked_through(monkeypatch):
    monkeypatch.setattr(decoding, "_HEADER", 4000)
    data = encoded()
    decode_image(data[:2] + b"\xff\xfe\0\2" * 100 + data[2:])
    with pytest.raises(CorruptImage):
        decode_image(data[:2] + b"\xff\xfe\0\2" * 1000 + data[2:])


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s.jpg"))
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for path in (tmp_path, *tmp_path.iterdir(), "/dev/tty"):
        with pytest.raises(CorruptImage, match="no regular file"):
            read_file(path)
    with open(tmp_path / "large.jpg", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(CorruptImage, match=f"more than {MAX_BYTES:,}"):
        read_file(tmp_path / "large.jpg")
    with pytest.raises(CorruptImage, match="No such file"):
        read_image(tmp_path / "none.jpg")


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_every_kind_of_image_becomes_rgb():
    grey = decode_rgb(jpeg(picture(1, mode="L")))
    assert grey.mode == "RGB"
    assert np.ptp(np.asarray(grey), axis=2).max() == 0
    for mode in ("RGB", "RGBA", "P", "L"):
        png = picture(1, mode=mode)
        assert np.array_equal(decode_rgb(_png(png)), png.convert("RGB"))


def test_cmyk_has_the_colours_that_opencv_reads():
    data = jpeg(picture(1, mode="CMYK"))
    assert b"Adobe" in data
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(np.asarray(decode_rgb(data), int) - theirs).max() <= 4


def test_broken_metadata_of_an_intact_image_does_not_matter():
    plain = jpeg(picture(2))
    bad = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 9
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(bad) + 2) + bad + plain[2:]
    assert np.array_equal(np.asarray(decode_rgb(data)), np.asarray(decode_rgb(plain)))


def test_corrupt_images_are_refused_with_a_reason(monkeypatch):
    whole = jpeg(picture(2, (300, 200)))
    for data in (b"", b"no image", whole[:20], _png(picture(2))[:200]):
        with pytest.raises(CorruptImage, match=".+"):
            decode_rgb(data)
    with pytest.raises(CorruptImage, match="truncated"):
        decode_rgb(whole[: len(whole) * 2 // 3])
    with pytest.raises(CorruptImage, match="^not an image in JPEG"):
        decode_rgb(b"no image")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 300 * 200 - 1)
    with pytest.raises(CorruptImage, match="decompression bomb"):
        decode_rgb(whole)
