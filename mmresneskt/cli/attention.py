"""Draw where the spatial attention of a backbone looks.

One picture for each image: for the last block of every stage of a ResNeSkt backbone, in a
detector or a classifier, the spatial gate laid over the image (the groups averaged, the
colours' range stated), and the weight that each kernel size received.
``mmresneskt.network.attention_maps.spatial_attention`` gives the same of every block as arrays.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmresneskt.runtime.errors import UserError, printable

from .arguments import add_trained_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_trained_arguments(parser, "attention")


def run(args: argparse.Namespace) -> None:
    """Draw one picture for each image.

    Raises:
        UserError: there is an image that cannot be used (the others are done), the config, the
            checkpoint or the device is not as it should be, or the backbone has no spatial
            attention.
    """
    from mmengine import track_iter_progress

    from mmresneskt.network.attention_picture import draw_spatial_attention
    from mmresneskt.runtime.decoding import CorruptImage
    from mmresneskt.runtime.images import (
        find_images,
        picture_files,
        report_skipped,
        write_picture,
    )

    from .config import use_work_folder
    from .trained import Trained

    use_work_folder(args)
    images = find_images(args.images)
    pictures = picture_files(images, Path(args.out))
    model = Trained(args).model
    skipped: dict[Path, str] = {}
    for image, picture in track_iter_progress(list(zip(images, pictures)), file=sys.stdout):
        try:
            drawn = draw_spatial_attention(model, image)
        except CorruptImage as error:
            skipped[image] = str(error)
        except ValueError as error:
            raise UserError(str(error)) from error
        else:
            write_picture(picture, drawn)
    print(printable(f"{len(images) - len(skipped)} pictures: {args.out}"))
    report_skipped(skipped, len(images))
