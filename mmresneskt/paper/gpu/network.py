"""A small ResNeSkt in every way it is run, on the device against float64 on the CPU."""

from __future__ import annotations

import contextlib
import copy
import functools
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmresneskt.network.deploy import deploy
from mmresneskt.network.resneskt import ResNeSkt
from mmresneskt.runtime.building import quiet

from .compare import distance, draw, forward_and_backward, largest_error, row

_NHWC = torch.channels_last
# in lower precision another channel may be the largest, which then has the gradient
_TOLERANCES = {  # forward, backward
    "float32": (1e-4, 1e-2),
    "tf32": (3e-2, 0.2),
    "float16": (3e-2, 0.2),
    "bfloat16": (0.15, 0.5),
}


def small(**options: Any) -> ResNeSkt:
    """Fourteen layers with random weights, of which none is 0."""
    torch.manual_seed(0)
    model = ResNeSkt(14, base_channels=16, stem_channels=16, **options)
    with quiet():
        model.init_weights()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1 or not parameter.any():
                parameter.add_(0.1 * torch.randn_like(parameter))
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


def images(seed: int = 0) -> Tensor:
    """(4, 3, 96, 96) of float64 on the CPU."""
    return draw(4, 3, 96, 96, seed=seed)


@contextlib.contextmanager
def precision_of(name: str, device: str) -> Iterator[None]:
    """Compute in a precision: autocast for the halves, TF32 or none for float32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    half = name in ("float16", "bfloat16")
    try:
        with torch.autocast(device, getattr(torch, name)) if half else contextlib.nullcontext():
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def trained(
    name: str,
    device: str,
    precision: str = "float32",
    layout: torch.memory_format = torch.contiguous_format,
    change: Callable[[nn.Module], Callable] = lambda model: model,
    **options: object,
) -> list[list]:
    """A check of a training step's outputs and gradients.

    Args:
        change: makes of the model on the device what is run.
        options: of the network.
    """
    wanted = _wanted()
    model = small(**options).to(device, memory_format=layout).train()
    x = images().float().to(device, memory_format=layout).requires_grad_()
    with precision_of(precision, device):
        found = forward_and_backward(change(model), [x], list(model.parameters()))
    errors = largest_error(found[0], wanted[0]), distance(found[1], wanted[1])
    return row(name, *errors, _TOLERANCES[precision])


@functools.cache
def _wanted() -> tuple[list[Tensor], list[Tensor]]:
    model = small().double().train()
    return forward_and_backward(model, [images().requires_grad_()], list(model.parameters()))


def _inferred(name: str, device: str, change: Callable[[nn.Module], Callable]) -> list[list]:
    """The same of outputs in eval mode."""
    model = small().eval()
    with torch.no_grad(), precision_of("float32", device):
        wanted = copy.deepcopy(model).double()(images())
        found = change(model.to(device))(images().float().to(device))
    return row(name, largest_error(found, wanted), None, _TOLERANCES["float32"])


def _as_graph(model: nn.Module) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Inference captured on other images, and replayed."""
    still = images(seed=1).float().cuda()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is allocated at first use may not be captured
        for _ in range(3):
            model(still)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outs = model(still)

    def replay(x: Tensor) -> tuple[Tensor, ...]:
        still.copy_(x)
        graph.replay()
        return outs

    return replay


def _with_sync_bn(name: str, device: str) -> list[list]:
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        distributed.init_process_group("nccl", init_method=store, rank=0, world_size=1)
        try:
            return trained(name, device, norm_cfg=dict(type="SyncBN", requires_grad=True))
        finally:
            distributed.destroy_process_group()


def steps(device: str, rehearse: bool) -> dict[str, Callable[[], list[list]]]:
    """A check for each way of running the network."""
    # the compiler itself takes a minute on a CPU
    compiled = functools.partial(torch.compile, backend="aot_eager" if rehearse else "inductor")
    ways: dict[str, dict] = {
        "float32": dict(),
        "float32, NHWC": dict(layout=_NHWC),
        "float32, with_cp": dict(with_cp=True),
        "bfloat16": dict(precision="bfloat16"),
        "float16": dict(precision="float16"),
        "bfloat16, NHWC": dict(precision="bfloat16", layout=_NHWC),
        "float16, NHWC": dict(precision="float16", layout=_NHWC),
        "compiled": dict(change=compiled),
        "compiled, bfloat16, NHWC": dict(change=compiled, precision="bfloat16", layout=_NHWC),
    }
    if rehearse:
        del ways["compiled"]
    if device == "cuda":
        ways["TF32"] = dict(precision="tf32")
    found: dict[str, Callable[[], list[list]]] = {
        f"network, {name}": functools.partial(trained, f"network, {name}", device, **way)
        for name, way in ways.items()
    }
    in_eval = {"eval": lambda model: model, "deployed": deploy}
    if device == "cuda":
        in_eval["CUDA graph"] = _as_graph
    for name, change in in_eval.items():
        found[f"network, {name}"] = functools.partial(_inferred, f"network, {name}", device, change)
    if device == "cuda":
        found["network, SyncBN"] = functools.partial(_with_sync_bn, "network, SyncBN", device)
    # the compiler takes longest
    return dict(sorted(found.items(), key=lambda item: "compiled" in item[0]))
