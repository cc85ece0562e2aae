"""Images and folders of them."""

import io
import json
import struct
import zlib

import numpy as np
from PIL import Image


def encoded(format="JPEG", size=(64, 48), **options):
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    pixels = rng.integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def png_of_size(width, height):
    """The header of a PNG, and next to no pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d))
             for n, d in chunks]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def folder_with(root, broken, names="abcdefgh"):
    """Eight images of two classes, of which some are truncated, and as a COCO file too."""
    images, annotations = [], []
    for number, name in enumerate(names):
        file = root / "images" / "xy"[number % 2] / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        data = encoded()
        file.write_bytes(data[: len(data) // 2] if name in broken else data)
        path = str(file.relative_to(root / "images"))
        images.append(dict(id=number, file_name=path, width=64, height=48))
        box = dict(id=number + 1, image_id=number, category_id=1, bbox=[5, 5, 20, 20], area=400)
        annotations.append(dict(box, iscrowd=0))
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name="x")])
    (root / "coco.json").write_text(json.dumps(content))
    return root
