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
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmresneskt.runtime.errors import UserError, explain, printable

from .arguments import add_trained_arguments, positive

if TYPE_CHECKING:
    import numpy as np
    from mmengine.structures import BaseDataElement, InstanceData

    from .trained import Trained

RESULTS = "predictions.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_trained_arguments(parser, "predictions")
    parser.add_argument("--batch-size", type=positive, default=1, help="default: %(default)s")
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.3,
        help="boxes under this score are not drawn, but written; default: %(default)s",
    )


def run(args: argparse.Namespace) -> None:
    """Predict, draw, and write the results.

    Raises:
        UserError: there is an image that cannot be used (the others are done), the config, the
            checkpoint or the device is not as it should be, or the results cannot be written.
    """
    from mmengine import ProgressBar

    from mmresneskt.runtime.images import find_images, picture_files, report_skipped

    from .config import use_work_folder
    from .trained import Trained

    use_work_folder(args)
    images = find_images(args.images)
    folder = Path(args.out)
    pictures = picture_files(images, folder)
    trained = Trained(args)
    results: list[dict] = []
    skipped: dict[Path, str] = {}
    done = 0
    bar = ProgressBar(len(images), file=sys.stdout)
    try:
        for start in range(0, len(images), args.batch_size):
            numbers = range(start, min(start + args.batch_size, len(images)))
            batch = {n: _read(trained, n, images[n], skipped) for n in numbers}
            whole = {number: read for number, read in batch.items() if read}
            found = _detect(trained, [data for _, data in whole.values()]) if whole else []
            for (number, (image, _)), boxes in zip(whole.items(), found):
                results += _entries(number, images[number], boxes, trained.dataset_meta)
                _draw(pictures[number], image, boxes[boxes.scores >= args.score_thr], trained)
                done += 1
            bar.update(len(numbers))
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


def _read(
    trained: Trained, number: int, image: Path, skipped: dict[Path, str]
) -> tuple[np.ndarray, dict] | None:
    """An image (H, W, 3), BGR, and what the pipeline makes of it; or why not, in ``skipped``."""
    from mmresneskt.runtime.decoding import read_image

    try:
        return read_image(image), trained.pipeline(dict(img_path=str(image), img_id=number))
    except Exception as error:  # of a decoder, of a transform that an odd size is too much for
        skipped[image] = explain(error)
        return None


def _write(file: Path, results: list[dict]) -> None:
    from mmresneskt.runtime.files import write_whole

    try:
        write_whole(file, json.dumps(results).encode())
    except OSError as error:
        raise UserError(f"--out: {error}") from error


def _draw(file: Path, image: np.ndarray, boxes: InstanceData, trained: Trained) -> None:
    """Write a picture of an image (H, W, 3), BGR, with its boxes."""
    from mmresneskt.runtime.images import write_picture
    from mmresneskt.runtime.pictures.boxes import draw_boxes

    names = [_name(label, trained.dataset_meta) for label in boxes.labels.tolist()]
    texts = [f"{name} {score:.2f}" for name, score in zip(names, boxes.scores.tolist())]
    write_picture(file, draw_boxes(image[..., ::-1], boxes.bboxes, boxes.labels, texts))


def _detect(trained: Trained, data: list[dict]) -> list[InstanceData]:
    """The boxes of each image, in its own pixels, the most certain first.

    Of a classifier one box, the whole image.
    """
    import torch
    from mmengine.dataset import pseudo_collate

    with torch.no_grad():
        samples = trained.model.test_step(pseudo_collate(data))
    samples = [sample if "pred_score" not in sample else _as_box(sample) for sample in samples]
    if any("bboxes" not in sample.get("pred_instances", ()) for sample in samples):
        raise UserError(f"{type(trained.model).__name__} gives no boxes")
    return [sample.pred_instances.cpu() for sample in samples]


def _as_box(sample: BaseDataElement) -> BaseDataElement:
    """What MMPretrain says of an image as MMDetection says it of a box."""
    from mmengine.structures import BaseDataElement, InstanceData

    score, label = sample.pred_score.max(0)
    height, width = sample.ori_shape
    whole = score.new_tensor([[0, 0, width, height]])
    box = InstanceData(bboxes=whole, scores=score[None], labels=label[None])
    return BaseDataElement(pred_instances=box)


def _entries(number: int, image: Path, boxes: InstanceData, meta: dict) -> list[dict]:
    ids = meta.get("cat_ids")
    most = max(boxes.labels.tolist(), default=0)
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
        for (left, top, right, bottom), label, score in zip(
            boxes.bboxes.tolist(), boxes.labels.tolist(), boxes.scores.tolist()
        )
    ]


def _name(label: int, meta: dict) -> str:
    classes = meta.get("classes") or ()
    return str(classes[label]) if label < len(classes) else f"class {label}"
