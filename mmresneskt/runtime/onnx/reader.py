"""A whole model in an ONNX file: what it finds in an image, by NumPy and ONNX Runtime alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..decoding import read_rgb
from ..errors import UserError, explain
from .properties import WHOLE

_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes (K, 4), left, top, right, bottom in pixels, scores (K,) and labels (K,)."""


def open_session(model: str | bytes, providers: Sequence[str], threads: int = 0) -> Any:
    """ONNX Runtime's session of a file, or of a file's content, that prints nothing.

    Args:
        threads: on the CPU, which rest as soon as a run has ended; 0 leaves both to ONNX Runtime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is raised as well
    if threads:
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=providers)


class OnnxModel:
    """A detector or a classifier that ``mmresneskt export`` has written, with its preprocessing.

    Args:
        device: "cpu", or the best that ONNX Runtime has.
        threads: of :func:`open_session`.

    Attributes:
        dataset_meta: ``classes``, and ``cat_ids`` where the training had them.
        properties: what the file says of itself.
        providers: of ONNX Runtime, the first of which runs what it can.

    Raises:
        UserError: the file is not there, is another kind of file, or onnxruntime is missing.
    """

    def __init__(self, file: str, device: str | None = None, threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"{error}: pip install onnxruntime") from error
        if not Path(file).is_file():
            raise UserError(f"--model {file} does not exist")
        there = onnxruntime.get_available_providers()
        wanted = [name for name in _PROVIDERS if name in there and device != "cpu"]
        try:
            self._session = open_session(file, wanted or _PROVIDERS[-1:], threads)
            known = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # its exceptions have no common class
            raise UserError(f"--model {file}: {explain(error)}") from error
        self.properties: dict[str, str] = known
        self.providers: list[str] = self._session.get_providers()
        self._task = known.get("task")
        if not WHOLE.items() <= known.items():
            raise UserError(
                f"--model {file} takes no image as it is: it needs one that mmresneskt export has "
                f"written, without --backbone-only and --no-preprocess"
            )
        self.dataset_meta = {k: json.loads(known[k]) for k in ("classes", "cat_ids") if k in known}

    def read(self, number: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """An image (H, W, 3), RGB, uint8, to draw on, and what :meth:`find` takes of it.

        Raises:
            CorruptImage: it cannot be read.
        """
        image = read_rgb(path)
        return image, image

    def find(self, inputs: list[np.ndarray]) -> list[Found]:
        """What is in each image, one after the other."""
        return [self(image) for image in inputs]

    def __call__(self, image: np.ndarray) -> Found:
        """What is in an image (H, W, 3), RGB, uint8; of a classifier one box, the whole image.

        Raises:
            UserError: ONNX Runtime cannot run it, above all where the file is for another size.
        """
        name = self._session.get_inputs()[0].name
        try:
            found = self._session.run(None, {name: np.ascontiguousarray(image)})
        except Exception as error:
            raise UserError(f"ONNX Runtime: {explain(error)}") from error
        if self._task == "detection":
            return found[0], found[1], found[2]
        height, width = image.shape[:2]
        probabilities = found[0][0]
        label = probabilities.argmax(keepdims=True)
        return np.array([[0, 0, width, height]], np.float32), probabilities[label], label
