"""How a network's time divides among kinds of operators."""

from __future__ import annotations

from collections.abc import Callable

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

_KINDS = {
    "convolution": ("conv",),
    "batch norm": ("batch_norm",),
    "spatial pooling": ("max_pool", "avg_pool"),
    "matrix product": ("mm", "linear", "matmul"),
}
OTHER = "all else, point by point"
KINDS = (*_KINDS, OTHER)


def time_by_kind(step: Callable[[], object], rounds: int, device: str) -> dict[str, float]:
    """Seconds of a step in each of :data:`KINDS`, the operators' own time, by torch's profiler."""
    activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
    step()
    with profile(activities=[ProfilerActivity.CPU, activity]) as profiler:
        for _ in range(rounds):
            step()
    seconds = dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        if event.device_type != DeviceType.CPU:
            continue  # a kernel, whose time its operator has as well
        spent = _on_gpu(event) if device == "cuda" else event.self_cpu_time_total
        seconds[_kind(event.key)] += spent / 1e6 / rounds
    return seconds


def _kind(operator: str) -> str:
    for kind, parts in _KINDS.items():
        if any(part in operator.lower() for part in parts):
            return kind
    return OTHER


def _on_gpu(event: object) -> float:
    # renamed in torch 2.4
    name = "self_device_time_total"
    return getattr(event, name) if hasattr(event, name) else event.self_cuda_time_total
