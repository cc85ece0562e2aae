"""How long steps take and how much memory, measured side by side."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

_Name = TypeVar("_Name", bound=Hashable)


@dataclass(frozen=True)
class Speed:
    """Of one step: median seconds, their quartiles' distance, and memory in bytes."""

    seconds: float
    spread: float
    memory: int


def step_speeds(
    steps: Mapping[_Name, Callable[[], object]], rounds: int, device: str
) -> dict[_Name, Speed]:
    """Time steps in turn, one of each to a round, so that all meet the same machine.

    Each round has an order of its own: a step is slower after one that has left the allocator
    and the caches to it in disarray.

    Memory is what PyTorch's CUDA allocator held at most beyond what it held before the
    step; on the CPU, what autograd kept for the backward pass (:func:`saved_bytes`).

    Args:
        device: on which the steps run.
    """
    cuda = device.startswith("cuda")
    # freed at once: glibc learns by it to keep what a step frees. By its sizes alone, one
    # network's step would fault in 20,000 pages again and its like none
    torch.empty(31 << 20, dtype=torch.uint8)
    memory = dict.fromkeys(steps, 0)
    times: dict[_Name, list[float]] = {name: [] for name in steps}
    order = list(steps.items())
    shuffle = random.Random(0).shuffle
    for round_ in range(1 + rounds):
        shuffle(order)
        for name, step in order:
            if cuda:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
            start = time.perf_counter()
            step()
            if cuda:
                torch.cuda.synchronize()
            if not round_:  # in which the optimizer allocates its state
                continue
            times[name].append(time.perf_counter() - start)
            if cuda:
                memory[name] = max(memory[name], torch.cuda.max_memory_allocated() - before)
    if not cuda:
        memory = {name: saved_bytes(step) for name, step in steps.items()}
    return {
        name: Speed(statistics.median(taken), _spread(taken), memory[name])
        for name, taken in times.items()
    }


def saved_bytes(step: Callable[[], object]) -> int:
    """Bytes that autograd keeps for the backward pass of ``step``, shared storage once.

    Parameters, which are there anyway, are not counted.
    """
    kept: dict[int, tuple[Tensor, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            # the tensor is held so that its address is not given out a second time
            kept.setdefault(storage.data_ptr(), (tensor.detach(), storage.nbytes()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(size for _, size in kept.values())


def _spread(times: list[float]) -> float:
    if len(times) < 2:
        return 0.0
    first, _, third = statistics.quantiles(times, n=4)
    return third - first
