"""What the machine itself can do, measured: the floor under any network's time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

_ROUNDS = 7
_SIDE = {"cpu": 2048, "cuda": 8192}
_BYTES = {"cpu": 2**27, "cuda": 2**30}


def matrix_rate(device: str, precision: torch.dtype = torch.float32) -> float:
    """Multiply-accumulates a second of a large square matrix product."""
    side = _SIDE.get(device, _SIDE["cpu"])
    a = torch.rand(side, side, device=device).to(precision)
    return side**3 / _seconds(lambda: a @ a, device)


def memory_rate(device: str) -> float:
    """Bytes a second, read and written, of a large copy."""
    size = _BYTES.get(device, _BYTES["cpu"])
    a = torch.zeros(size // 4, device=device)
    b = torch.empty_like(a)
    return 2 * size / _seconds(lambda: b.copy_(a), device)


def _seconds(function: Callable[[], object], device: str) -> float:
    times = []
    for _ in range(1 + _ROUNDS):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])
