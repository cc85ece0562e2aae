"""Detect objects in images, or classify images.

``predictions.json`` is a list in the format of COCO's results, one entry for each box:

- ``image_id``: the number of the image in the order given, from 0 on;
- ``category_id``: the number of the class in the order of training, from 0 on, or the
  class's entry in ``cat_ids`` where the dataset's metainfo has them;
- ``bbox``: left, top, width, height in pixels of the upright image (EXIF's orientation
  applied); of a classifier the whole image;
- ``score``: all that the model returns, however low, of a classifier the highest;
  ``--score-thr`` is for the pictures;
- ``file_name``: of the image, as given.

``--model FILE`` predicts with a model that ``mmresneskt export`` has written, which needs NumPy,
Pillow and onnxruntime alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmresneskt.runtime.errors import UserError, explain, printable

from .arguments import add_trained_arguments, positive

if TYPE_CHECKING:
    import numpy as np

    from mmresneskt.runtime.onnx.reader import Found

RESULTS = "predictions.json"


class _Model(Protocol):
    dataset_meta: dict

    def read(self, number: int, path: Path) -> tuple[np.ndarray, object]:
        """An image (H, W, 3), RGB, and what :meth:`find` takes of it."""

    def find(self, inputs: list) -> list[Found]:
        """The boxes of each image, in its own pixels, the most certain first.

        Of a classifier one box, the whole image.
        """


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_trained_arguments(parser, "predictions")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="an ONNX file of mmresneskt export, in place of a work folder, --config and "
        "--checkpoint",
    )
    parser.add_argument("--batch-size", type=positive, default=1, help="default: %(default)s")
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.3,
        help="boxes under this score are not drawn, but written; default: %(default)s",
    )


def needs_libraries(args: argparse.Namespace) -> bool:
    """Whether torch and the MM libraries are imported first."""
    return args.model is None


def run(args: argparse.Namespace) -> None:
    """Predict, draw, and write the results.

    Raises:
        UserError: there is an image that cannot be used (the others are done), the config, the
            checkpoint, the model or the device is not as it should be, or the results cannot be
            written.
    """
    from mmresneskt.runtime.images import (
        find_images,
        picture_files,
        report_skipped,
        write_picture,
    )
    from mmresneskt.runtime.pictures.boxes import draw_found

    if args.model is None:
        from .config import use_work_folder

        use_work_folder(args)
    else:
        _check_alone(args)
    images = find_images(args.images)
    folder = Path(args.out)
    pictures = picture_files(images, folder)
    model = _model(args)
    results: list[dict] = []
    skipped: dict[Path, str] = {}
    done = 0
    try:
        for start in range(0, len(images), args.batch_size):
            numbers = range(start, min(start + args.batch_size, len(images)))
            batch = {n: _read(model, n, images[n], skipped) for n in numbers}
            whole = {number: read for number, read in batch.items() if read}
            found = model.find([data for _, data in whole.values()]) if whole else []
            for (number, (image, _)), boxes in zip(whole.items(), found):
                results += _entries(number, images[number], boxes, model.dataset_meta)
                sure = boxes[1] >= args.score_thr
                drawn = draw_found(image, tuple(x[sure] for x in boxes), model.dataset_meta)
                write_picture(pictures[number], drawn)
                done += 1
            print(f"\r{numbers.stop}/{len(images)} images", end="", flush=True)
        print()
    finally:  # whatever ends the run, what is done is kept
        if done:
            _write(folder / RESULTS, results)
    if done:
        print(printable(f"{len(results)} boxes in {done} images: {folder / RESULTS}"))
        drawn = sum(entry["score"] >= args.score_thr for entry in results)
        shown = f"pictures, with the {drawn} boxes of score {args.score_thr} or more: {folder}"
        print(printable(shown))
    report_skipped(skipped, len(images))


def _check_alone(args: argparse.Namespace) -> None:
    for name in ("config", "checkpoint", "backbone", "cfg_options", "device"):
        if getattr(args, name) is not None:
            raise UserError(
                f"--{name.replace('_', '-')} does not go with --model, which has its own"
            )


def _model(args: argparse.Namespace) -> _Model:
    if args.model is not None:
        from mmresneskt.runtime.onnx.reader import OnnxModel

        return OnnxModel(args.model)
    from .trained import finder

    return finder(args)


def _read(
    model: _Model, number: int, image: Path, skipped: dict[Path, str]
) -> tuple[np.ndarray, object] | None:
    """What the model reads of an image; or why not, in ``skipped``."""
    try:
        return model.read(number, image)
    except Exception as error:  # of a decoder, of a transform that an odd size is too much for
        skipped[image] = explain(error)
        return None


def _write(file: Path, results: list[dict]) -> None:
    from mmresneskt.runtime.files import write_whole

    try:
        write_whole(file, json.dumps(results).encode())
    except OSError as error:
        raise UserError(f"--out: {error}") from error


def _entries(number: int, image: Path, boxes: Found, meta: dict) -> list[dict]:
    sides, scores, labels = (x.tolist() for x in boxes)
    ids = meta.get("cat_ids")
    most = max(labels, default=0)
    if ids and most >= len(ids):
        raise UserError(f"the metainfo has {len(ids)} cat_ids, and the model finds class {most}")
    return [
        dict(
            image_id=number,
            category_id=ids[label] if ids else label,
            bbox=[left, top, right - left, bottom - top],
            score=score,
            file_name=str(image),
        )
        for (left, top, right, bottom), label, score in zip(sides, labels, scores)
    ]
