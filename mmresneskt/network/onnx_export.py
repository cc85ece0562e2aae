"""A network as an ONNX file, compared with PyTorch before anybody gets it."""

from __future__ import annotations

import inspect
import io
import warnings

import torch
from torch import Tensor, nn

from mmresneskt.runtime.errors import UserError, explain

TOLERANCE = 1e-4  # of the outputs' scale
_INPUT = "images"


def export(model: nn.Module, images: Tensor, opset: int, properties: dict[str, str]) -> bytes:
    """A model in eval mode, images (N, C, H, W) -> logits or a tuple of maps, as an ONNX file.

    N, H and W stay open. The outputs are ``logits``, or ``feature0``, ``feature1``, ...

    Raises:
        UserError: PyTorch cannot export it.
    """
    import onnx

    with torch.no_grad():
        results = model(images)
    results = [results] if isinstance(results, Tensor) else results
    axes = {"logits": {0: "batch"}}
    if results[0].ndim == 4:
        count = range(len(results))
        axes = {f"feature{i}": {0: "batch", 2: f"height{i}", 3: f"width{i}"} for i in count}
    names = list(axes)
    axes[_INPUT] = {0: "batch", 2: "height", 3: "width"}
    # The exporter by TorchScript: it is in every PyTorch from 2.1 on, writes opset 17 itself and
    # needs no further package; the other one is ten times slower.
    known = inspect.signature(torch.onnx.export).parameters
    chosen: dict = dict(dynamo=False) if "dynamo" in known else {}
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about tracing: what comes out is compared
            torch.onnx.export(
                model,
                (images,),
                file,  # type: ignore[arg-type] # the stub has names of files only
                input_names=[_INPUT],
                output_names=names,
                dynamic_axes=axes,
                opset_version=opset,
                **chosen,
            )
    except Exception as error:  # the exporter raises whatever its passes do
        first = str(error).partition(" [Caused by ")[0]  # pages of the traced graph follow
        raise UserError(f"PyTorch cannot export this model: {first}") from error
    written = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(written, properties)
    return written.SerializeToString()


def compare(data: bytes, model: nn.Module, batches: list[Tensor]) -> tuple[float, float]:
    """The largest difference of an ONNX file's outputs from the model's, and their largest value.

    Raises:
        UserError: ONNX Runtime cannot run the file, or an output's difference is above
            :data:`TOLERANCE` of its largest value.
    """
    import onnxruntime

    differences, scales = [0.0], [0.0]
    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        found = [session.run(None, {_INPUT: images.numpy()}) for images in batches]
    except Exception as error:  # its exceptions have no common class
        raise UserError(f"ONNX Runtime cannot run what was exported: {explain(error)}") from error
    for images, outputs in zip(batches, found):
        with torch.no_grad():
            expected = model(images)
        expected = [expected] if isinstance(expected, Tensor) else expected
        for ours, theirs in zip(outputs, expected):
            difference = (torch.from_numpy(ours) - theirs).abs().max().item()
            scale = theirs.abs().max().item()
            if not difference <= TOLERANCE * scale:  # NaN fails too
                raise UserError(
                    f"what was exported differs from PyTorch by {difference:.1e}, of values up to "
                    f"{scale:.3g}: nothing is written"
                )
            differences.append(difference)
            scales.append(scale)
    return max(differences), max(scales)
