"""Where the time of a backbone's step goes: kernels by their sum, how many, and who waits for whom.

A step that takes longer than the device was busy waits for the process that starts the kernels.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from mmresneskt.paper.benchmark.variants import Variant, steps_of

from .backbone import FIRST
from .work import Setting

HEADER = ("network", "mode", "layout", "what", "ms a step", "calls a step")
_LAYOUT = "nhwc"
_STEPS = 2
_SHOWN = 25


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """Eager steps, on a GPU of bfloat16; the device's time by kernel, on a CPU by operator."""
    ways = [(name, mode) for mode in ("training", "inference") for name in FIRST]
    return {
        f"{name}, {mode}": functools.partial(_measure, setting, name, mode)
        for name, mode in ways[: 1 if setting.rehearse else None]
    }


def _measure(setting: Setting, name: str, mode: str) -> list[list]:
    batch, side = (2, 32) if setting.rehearse else (128, 224)
    cuda = setting.device == "cuda"
    images = torch.rand(batch, 3, side, side, device=setting.device)
    variant = Variant(name, mode, _LAYOUT, precision="bfloat16" if cuda else "float32")
    run = steps_of([variant], images)[variant]

    def some() -> float:
        start = time.perf_counter()
        for _ in range(_STEPS):
            run()
        if cuda:
            torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start) / _STEPS

    some()
    wall = some()
    activity = ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiler:
        some()
    found = [(e.key, _self_time(e, cuda), e.count / _STEPS) for e in profiler.key_averages()]
    found = sorted((e for e in found if e[1]), key=lambda e: -e[1])
    rows = [("wall clock, without the profiler", wall, 1.0)]
    rows.append(("all kernels", sum(e[1] for e in found), sum(e[2] for e in found)))
    return [[name, mode, _LAYOUT, *row] for row in (*rows, *found[:_SHOWN])]


def _self_time(event: Any, cuda: bool) -> float:
    """Milliseconds a step."""
    return (event.self_device_time_total if cuda else event.self_cpu_time_total) / 1e3 / _STEPS
