"""How a network's time divides among kinds of operators."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .speed import settle_allocator

_KINDS = {
    "convolution": ("conv",),
    "batch norm": ("batch_norm",),
    "spatial pooling": ("max_pool", "avg_pool"),
    "matrix product": ("mm", "linear", "matmul"),
}
OTHER = "all else, point by point"
KINDS = (*_KINDS, OTHER)


def time_by_kind(
    steps: Mapping[Hashable, Callable[[], object]], rounds: int, device: str
) -> dict[Hashable, dict[str, float]]:
    """Seconds of each step in each of :data:`KINDS`, the operators' own time, by torch's profiler.

    The steps are taken in turn, and the mean of the rounds is given.
    """
    activities = [ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    settle_allocator()
    for step in steps.values():
        step()
    seconds = {name: dict.fromkeys(KINDS, 0.0) for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            with _only_cycle(), profile(activities=activities) as profiler:
                step()
            for event in profiler.key_averages():
                if event.device_type != DeviceType.CPU:
                    continue  # a kernel, whose time its operator has as well
                spent = _on_gpu(event) if device == "cuda" else event.self_cpu_time_total
                seconds[name][_kind(event.key)] += spent / 1e6 / rounds
    return seconds


@contextlib.contextmanager
def _only_cycle() -> Iterator[None]:
    """Without the warning that of several cycles only the last would be there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Profiler clears events")
        yield


def _kind(operator: str) -> str:
    for kind, parts in _KINDS.items():
        if any(part in operator.lower() for part in parts):
            return kind
    return OTHER


def _on_gpu(event: object) -> float:
    # renamed in torch 2.4
    name = "self_device_time_total"
    return getattr(event, name) if hasattr(event, name) else event.self_cuda_time_total
