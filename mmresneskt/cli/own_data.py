"""``mmresneskt train --data``: the config that follows from what lies in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmresneskt.runtime.errors import UserError, printable

from .arguments import positive

_ONLY_WITH_DATA = ("epochs", "size", "batch", "detector")
_BACKBONE = "resneskt50"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("your own data, in place of a config")
    group.add_argument(
        "--data",
        metavar="FOLDER|FILE",
        help="annotated images: COCO's JSON, Pascal VOC's XML, YOLO (or its data.yaml), or folders "
        "of classes",
    )
    group.add_argument("--epochs", type=positive)
    group.add_argument("--size", type=positive, help="pixels of an image's longer side")
    group.add_argument("--batch", type=positive, help="images of a step")
    group.add_argument("--detector", metavar="CONFIG", help="mmdet::...; default: Faster R-CNN")


def use_data(args: argparse.Namespace) -> None:
    """Look at the data, say what was found, and make it the config of the arguments.

    Raises:
        UserError: both a config and data are given, or neither; or see :func:`prepare`.
    """
    if not args.data:
        odd = [f"--{name}" for name in _ONLY_WITH_DATA if getattr(args, name) is not None]
        if odd:
            raise UserError(f"{odd[0]} goes with --data; in a config, use --cfg-options")
        if not args.config:
            raise UserError("give a config, or --data FOLDER to train on your own images")
        return
    if args.config:
        raise UserError(f"give either the config {args.config} or --data, not both")
    args.config = str(_prepare(args))
    args.backbone = None  # it is in there


def _prepare(args: argparse.Namespace) -> Path:
    """Write the splits and the config into the work folder; return the config."""
    from mmresneskt.data.layouts import find_data
    from mmresneskt.data.own_data.classifier import classifier_config
    from mmresneskt.data.own_data.detector import detector_config
    from mmresneskt.data.own_data.files import write_splits
    from mmresneskt.data.own_data.recipe import Wishes
    from mmresneskt.data.own_data.summary import summary
    from mmresneskt.data.own_data.weights import with_weights
    from mmresneskt.network.swap.find import name_for_folder
    from mmresneskt.runtime.files import write_whole
    from mmresneskt.runtime.launcher import is_main_process
    from mmresneskt.runtime.work_folder import claimed

    def say(text: str) -> None:
        if is_main_process():
            print(text, flush=True)

    found = find_data(args.data)
    backbone = args.backbone or _BACKBONE
    given = Path(args.data).resolve()
    parts = [given.name if given.is_dir() else given.stem, name_for_folder(backbone)]
    if args.detector:
        parts.insert(1, Path(args.detector.rpartition("::")[2]).stem)
    args.work_dir = args.work_dir or str(Path("work_dirs", "_".join(parts)))
    work = Path(args.work_dir).resolve()
    if work.is_relative_to(given if given.is_dir() else found.root.resolve()):
        raise UserError(f"the work folder {work} lies in the data: set another with --work-dir")
    with claimed(work):
        splits, files = write_splits(found, work / "data")
        say(summary(found, splits))
        backbone, weights = with_weights(backbone)
        say(weights)
        wishes = Wishes(backbone, args.epochs, args.size, args.batch, args.detector)
        make = classifier_config if found.classifies else detector_config
        cfg = make(found, splits, files, wishes)
        config = work / "config.py"
        try:
            write_whole(config, cfg.pretty_text.encode())
        except OSError as error:
            raise UserError(f"{config} cannot be written: {error.strerror or error}") from error
    say(f"config: {printable(config)}")
    return config
