"""Images that cannot be used: training goes on without a few of them, or stops and says which.

MM's loader ends a run at the first image that it cannot decode, takes truncated ones as they
are, with grey in place of what is missing, and decodes whatever size a header names.
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, Compose
from mmengine.fileio import FileClient, get_file_backend
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from .decoding import CorruptImage, decode_image, read_stored
from .errors import UserError, printable
from .files import locked
from .launcher import is_main_process

LIST = "broken_images.jsonl"
"""In the work folder: path and reason of each image skipped, a JSON object a line."""


class UnusableImage(UserError):
    """An image that ends a run; the message is one line, from a loader's worker too."""

    def __init__(self, message: str) -> None:
        # a worker's error arrives with its traceback as the message
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class Budget:
    """How many images a training run may do without: a number, or a share as in "1%".

    Raises:
        UserError: the text is neither.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._share = text.endswith("%")
        most = 1 if self._share else math.inf
        try:
            self._value = float(text[:-1]) / 100 if self._share else int(text)
        except ValueError:
            self._value = -1
        if not 0 <= self._value <= most:
            raise UserError(
                f"--max-broken-images {text}: give a number of images, or a share as in 1%"
            )

    def __repr__(self) -> str:
        return self.text

    def of(self, images: int) -> int:
        """The number, of so many images."""
        return math.floor(self._value * images) if self._share else int(self._value)


def guard_images(runner: Runner, budget: Budget | None = None) -> None:
    """Have the runner's training pass over as many broken images as the budget allows.

    Another sample takes the place of each. An evaluation stops at the first, since without it
    its figures could not be compared with others'; that of the training images, which our own
    loop adds, counts as training. To be called before the runner builds its loaders.

    Args:
        budget: of a training run; None where the runner only evaluates.
    """
    file = Path(runner.work_dir) / LIST
    if budget is not None:
        if is_main_process() and not runner._resume:
            file.unlink(missing_ok=True)  # another run's
        runner.register_hook(TellSkippedHook(file))
    build = runner.build_dataloader

    @functools.wraps(build)
    def build_guarded(dataloader: DataLoader | dict, *args: Any, **options: Any) -> DataLoader:
        loader = build(dataloader, *args, **options)
        trained_on = (
            runner.cfg.get("train_dataloader"),
            (runner.cfg.get("val_cfg") or {}).get("train_dataloader"),
        )
        # by identity: an evaluation may have settings equal to the training's. A loop gets a
        # copy of the loader that it adds, which is found by being equal
        evaluated = (runner._val_dataloader, runner._test_dataloader)
        trains = dataloader in trained_on and not any(dataloader is other for other in evaluated)
        limit = budget if trains else None
        guard(loader.dataset, Skips(file, limit, count_images(loader.dataset)) if limit else None)
        return loader

    runner.build_dataloader = build_guarded


def guard(dataset: Dataset, skips: Skips | None) -> None:
    """Look at every image that the dataset loads before it is decoded.

    Args:
        skips: what may be skipped; with None the first broken image is an error.
    """
    for part in unwrapped(dataset):
        if isinstance(part.pipeline, Compose):
            part.pipeline = _GuardedPipeline(part.pipeline, skips)


def unwrapped(dataset: Dataset) -> Iterator[BaseDataset]:
    """The datasets that read data, without the wrappers around them."""
    if hasattr(dataset, "datasets"):  # ConcatDataset
        for part in dataset.datasets:
            yield from unwrapped(part)
    elif isinstance(dataset, BaseDataset):
        yield dataset
    elif hasattr(dataset, "dataset"):  # RepeatDataset and its kin
        yield from unwrapped(dataset.dataset)


def infos_of(dataset: Dataset) -> Iterator[dict]:
    """What the dataset knows of each image, each once however often it is repeated."""
    return (part.get_data_info(n) for part in unwrapped(dataset) for n in range(len(part)))


def count_images(dataset: Dataset) -> int:
    """The images, each once however often it is repeated."""
    return sum(len(part) for part in unwrapped(dataset))


class Skips:
    """The images skipped by all processes of a run, in a file that they share.

    Args:
        file: see ``LIST``; processes on machines without a shared disk count for themselves.
        images: of the training set.
    """

    def __init__(self, file: Path, budget: Budget, images: int) -> None:
        self.file, self.budget, self.images = file, budget, images
        self._known: set[str] = set()

    def add(self, path: str, why: str) -> None:
        """Note one image.

        Raises:
            UnusableImage: it is one too many.
        """
        if path in self._known:
            return
        most = self.budget.of(self.images)
        if most == 0:
            raise UnusableImage(
                f"{path} cannot be used: {why}. Repair it or remove it from the data, or let up "
                f"to N such images, or a share as in 1%, be skipped by --max-broken-images N"
            )
        with locked(self.file) as stream:
            self._known |= {json.loads(line)["path"] for line in stream}
            if path not in self._known:
                self._known.add(path)
                stream.write(json.dumps(dict(path=path, why=why)) + "\n")
        if len(self._known) > most:
            raise UnusableImage(
                f"{len(self._known)} of {self.images} images cannot be used, more than "
                f"--max-broken-images {self.budget} allows, the last: {path}: {why}. All are "
                f"listed in {self.file}"
            )


class TellSkippedHook(Hook):
    """Log each skipped image once, and their number at the end, in one of the processes."""

    priority = "LOW"

    def __init__(self, file: Path) -> None:
        self._file = file
        self._told = 0

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Tell what any process has skipped since the last iteration."""
        if not is_main_process() or not self._file.exists():
            return
        size = os.path.getsize(self._file)
        if size == self._told:
            return
        with locked(self._file) as stream:
            stream.seek(self._told)
            for entry in map(json.loads, stream):
                runner.logger.warning(printable(f"skipped {entry['path']}: {entry['why']}"))
            self._told = stream.tell()

    def after_train(self, runner: Runner) -> None:
        """Count them."""
        self.after_train_iter(runner)
        if self._told:
            with locked(self._file) as stream:
                count = sum(1 for _ in stream)
            images = count_images(runner.train_dataloader.dataset)
            runner.logger.warning(
                f"skipped {count} of {images} training images that cannot be used; they are "
                f"listed in {self._file}"
            )


class _Broken(CorruptImage):
    """Why an image cannot be used, and its path."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


class _GuardedPipeline(Compose):
    """The same transforms with ours in place of MM's loader, wherever it is among them."""

    def __init__(self, pipeline: Compose, skips: Skips | None) -> None:
        super().__init__(None)
        self.transforms = guarded(pipeline.transforms)
        self._skips = skips

    def __call__(self, data: dict) -> dict | None:
        """None for an image that is skipped: the dataset then takes another."""
        try:
            return super().__call__(data)
        except _Broken as broken:
            path, why = broken.path, str(broken)
        if self._skips is None:
            raise UnusableImage(
                f"{path} cannot be used: {why}. Without it the evaluation could not be compared "
                f"with others: repair it, or remove it from the annotations"
            )
        self._skips.add(path, why)
        return None


class _GuardedLoad(LoadImageFromFile):
    """MM's loader, which takes whole images of a sensible size only.

    Args:
        loader: whose settings it takes over.
    """

    def __init__(self, loader: LoadImageFromFile) -> None:
        self.__dict__.update(vars(loader))

    def transform(self, results: dict) -> dict | None:
        path = results["img_path"]
        try:
            image = decode_image(self._read(path), self.color_type, self.imdecode_backend)
        except (CorruptImage, OSError) as error:
            if self.ignore_empty:
                return None
            raise _Broken(str(path), getattr(error, "strerror", None) or str(error)) from error
        results["img"] = image.astype("float32") if self.to_float32 else image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results

    def _read(self, path: str) -> bytes:
        if self.file_client_args is not None:
            return read_stored(FileClient.infer_client(self.file_client_args, path).client, path)
        arguments = self.backend_args
        return read_stored(
            get_file_backend(path, backend_args=arguments, enable_singleton=True), path
        )


def guarded(node: Any) -> Any:
    """``node`` with every plain LoadImageFromFile in it replaced, in lists and in wrappers.

    What takes its place raises CorruptImage for an image that it does not take.
    """
    if type(node) is LoadImageFromFile:
        return _GuardedLoad(node)
    if isinstance(node, list):
        return [guarded(item) for item in node]
    if isinstance(node, tuple) and type(node) is tuple:
        return tuple(guarded(item) for item in node)
    for name in ("transforms", "branch_pipelines"):
        inner = getattr(node, name, None)
        if isinstance(inner, (list, Compose)):
            setattr(node, name, guarded(inner))
        elif isinstance(inner, dict):
            setattr(node, name, {key: guarded(item) for key, item in inner.items()})
    return node
