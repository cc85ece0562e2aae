"""Images a second and peak memory of ResNeSkt-50 and its peers, in groups of one mode each."""

from __future__ import annotations

import argparse
import functools
import itertools
import os
from collections.abc import Callable, Sequence

import torch

from mmresneskt.paper.benchmark.report import HEADER
from mmresneskt.paper.benchmark.tables import backbones

from .work import Setting

__all__ = ["HEADER", "steps"]

_NETWORKS: tuple[str, ...] = ("resneskt50", "resneskt50_off", "resneskt50_author")
_NETWORKS += (
    "timm_resnest50d",
    "timm_skresnext50_32x4d",
    "mmpretrain_resnest50",
    "mmpretrain_resnet50",
)
_LAYOUTS = ("nchw", "nhwc")
_COMPILED = HEADER.index("compiled")


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """Eager first, all networks side by side; compiled one by one, as each takes its minute."""
    by_triton = os.environ.get("MMRESNESKT_TRITON") == "1"
    networks = _NETWORKS[:2] if by_triton or setting.rehearse else _NETWORKS
    # CPUs are slow in float16
    precisions = ("bfloat16",) if setting.rehearse else ("bfloat16", "float16")
    ways = list(itertools.product(precisions, ("training", "inference")))
    groups: list[tuple] = [(False, *way, networks, _LAYOUTS) for way in ways]
    if not by_triton and not setting.rehearse:  # the compiler makes kernels of its own
        one_by_one = itertools.product(ways, networks, reversed(_LAYOUTS))
        groups += [(True, *way, (network,), (layout,)) for way, network, layout in one_by_one]
    return {_name(*group): functools.partial(_measure, setting, *group) for group in groups}


def _name(
    compiled: bool, precision: str, mode: str, networks: Sequence[str], layouts: Sequence[str]
) -> str:
    how = f"{'compiled' if compiled else 'eager'}, {precision}, {mode}"
    return f"{how}, {networks[0]}, {layouts[0]}" if compiled else how


def _measure(
    setting: Setting,
    compiled: bool,
    precision: str,
    mode: str,
    networks: Sequence[str],
    layouts: Sequence[str],
) -> list[list]:
    torch._dynamo.reset()  # what the step before has compiled
    batch, side, rounds = (2, 32, 1) if setting.rehearse else (128, 224, 10)
    args = argparse.Namespace(
        networks=networks,
        modes=(mode,),
        layouts=layouts,
        compile=compiled,
        precision=(precision,),
        device=setting.device,
        batch=batch,
        size=(side, side),
        rounds=rounds,
        out=None,
    )
    (_, rows), _ = backbones(args, {})
    # beside what is compiled, its eager form is measured too: it has its rows already
    return [row for row in rows if row[_COMPILED] == ("yes" if compiled else "no")]
