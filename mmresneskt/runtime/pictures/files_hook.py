"""A picture of its own for each image of a test."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..broken_images import infos_of
from ..images import picture_files


class PictureFilesHook(Hook):
    """Have MM's visualizers write each picture where :func:`picture_files` says.

    MM's hooks name it by the last part of the image's path, so that of images of the same name
    in several folders the last one's stays.

    Args:
        folder: of the pictures.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before_test(self, runner: Runner) -> None:
        """Name the pictures of all images of the test.

        Raises:
            UserError: one would replace an image.
        """
        infos = infos_of(runner.test_dataloader.dataset)
        paths = dict.fromkeys(str(info["img_path"]) for info in infos if info.get("img_path"))
        if not paths:  # images that are no files
            return
        pictures = picture_files(list(map(Path, paths)), self._folder)
        files = {path: str(picture) for path, picture in zip(paths, pictures)}
        for name in ("add_datasample", "visualize_cls"):  # of MMPretrain the latter
            draw = getattr(runner.visualizer, name, None)
            if draw is not None:
                setattr(runner.visualizer, name, functools.partial(_draw, draw, files))


def _draw(
    draw: Callable,
    files: dict[str, str],
    *args: Any,
    data_sample: Any = None,
    out_file: str | None = None,
    **options: Any,
) -> Any:
    out_file = files.get(str(data_sample.get("img_path")), out_file)
    return draw(*args, data_sample=data_sample, out_file=out_file, **options)
