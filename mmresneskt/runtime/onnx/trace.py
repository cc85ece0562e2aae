"""A model as an ONNX file, by tracing."""

from __future__ import annotations

import inspect
import io
import warnings

import torch
from torch import Tensor, nn

from ..building import quiet
from ..errors import UserError, explain
from .reader import open_session

Axes = dict[str, dict[int, str]]
"""Names of the input and of each output, with the names of the dimensions that stay open."""


def need_onnx() -> None:
    """Look for the packages that an export needs.

    Raises:
        UserError: onnx or onnxruntime is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error}: pip install onnx onnxruntime") from error


def trace(
    model: nn.Module, example: Tensor, axes: Axes, opset: int, properties: dict[str, str]
) -> bytes:
    """A model in eval mode, traced on an example, as an ONNX file.

    Raises:
        UserError: PyTorch cannot export it.
    """
    import onnx

    # The exporter by TorchScript: it is in every PyTorch from 2.1 on, writes opset 17 itself and
    # needs no further package; the other one is ten times slower.
    known = inspect.signature(torch.onnx.export).parameters
    chosen: dict = dict(dynamo=False) if "dynamo" in known else {}
    names = list(axes)
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad(), quiet():  # it prints the graph it left
            warnings.simplefilter("ignore")  # about tracing: what comes out is compared
            torch.onnx.export(
                model,
                (example,),
                file,  # type: ignore[arg-type] # the stub has names of files only
                input_names=names[:1],
                output_names=names[1:],
                dynamic_axes=axes,
                opset_version=opset,
                **chosen,
            )
    except Exception as error:  # the exporter raises whatever its passes do
        first = str(error).partition(" [Caused by ")[0].partition("\n")[0]  # of pages of a graph
        raise UserError(f"PyTorch cannot export this model: {first}") from error
    written = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(written, properties)
    return written.SerializeToString()


def outputs(data: bytes, inputs: list[Tensor]) -> list[list[Tensor]]:
    """What ONNX Runtime computes, on the CPU, for each of the inputs.

    Raises:
        UserError: it cannot.
    """
    try:
        session = open_session(data, ["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        found = [session.run(None, {name: x.numpy()}) for x in inputs]
    except Exception as error:  # its exceptions have no common class
        raise UserError(f"ONNX Runtime cannot run what was exported: {explain(error)}") from error
    return [[torch.from_numpy(output) for output in results] for results in found]
