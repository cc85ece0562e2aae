"""``tools/visualize_attention.py``: where the spatial attention of a backbone looks.

One picture for each image: for the last block of every stage of a ResNeSkt backbone, in a
detector or a classifier, the spatial gate laid over the image (the groups averaged, the
colours' range stated), and the weight that each kernel size received.
``mmresneskt.visualization.spatial_attention`` gives the same of every block as arrays.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine import ProgressBar

from ..images import CorruptImage
from ..visualization import draw_spatial_attention
from .errors import UserError
from .images import find_images, picture_files, read_image, report_skipped, write_picture
from .trained import Trained, add_trained_arguments


def main(argv: list[str] | None = None) -> None:
    """Draw one picture for each image.

    Raises:
        UserError: there is no image that can be read, the config, the checkpoint or the
            device is not as it should be, or the backbone has no spatial attention.
    """
    args = parse_args(argv)
    images = find_images(args.images)
    pictures = picture_files(images, Path(args.out))
    model = Trained(args).model
    skipped: dict[Path, str] = {}
    bar = ProgressBar(len(images), file=sys.stdout)
    for image, picture in zip(images, pictures):
        try:
            read_image(image)
        except CorruptImage as error:
            skipped[image] = str(error)
        else:
            try:
                drawn = draw_spatial_attention(model, image)
            except ValueError as error:
                raise UserError(str(error)) from error
            write_picture(picture, drawn)
        bar.update()
    print()
    report_skipped(skipped, len(images))
    print(f"{len(images) - len(skipped)} pictures: {args.out}")


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="visualize_attention.py",
        description=__doc__.partition(": ")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_trained_arguments(parser, "attention")
    return parser.parse_args(argv)
