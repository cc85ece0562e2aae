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

FIRST = ("resneskt50", "resneskt50_off", "timm_resnest50d")
"""What the bars are about."""
_NETWORKS: tuple[str, ...] = (*FIRST, "resneskt50_author", "timm_skresnext50_32x4d")
_NETWORKS += ("mmpretrain_resnest50", "mmpretrain_resnet50", "mmpretrain_convnext_tiny")
_LAYOUTS = ("nchw", "nhwc")
_MODES = ("training", "inference")
_PRECISIONS = ("bfloat16", "float16")
_COMPILED = HEADER.index("compiled")


def steps(setting: Setting) -> dict[str, Callable[[], list[list]]]:
    """Side by side: all networks eager, those that the bars are about compiled; then the rest."""
    groups: list[tuple]
    # CPUs are slow in float16, and the compiler makes kernels of its own in Triton's place
    if setting.rehearse or os.environ.get("MMRESNESKT_TRITON") == "1":
        precisions = _PRECISIONS[: 1 if setting.rehearse else None]
        ways = itertools.product(_MODES, precisions)
        groups = [(False, *way, FIRST[:2], _LAYOUTS) for way in ways]
    else:
        others = [(name,) for name in _NETWORKS if name not in FIRST]
        first, then = ([(mode, precision) for mode in _MODES] for precision in _PRECISIONS)
        groups = [(False, *way, _NETWORKS, _LAYOUTS) for way in first]
        groups += [(True, *way, FIRST, ("nhwc",)) for way in first]
        groups += [(True, *way, names, ("nhwc",)) for names in others for way in first]
        groups += [(False, *way, _NETWORKS, _LAYOUTS) for way in then]
    return {_name(*group): functools.partial(_measure, setting, *group) for group in groups}


def _name(
    compiled: bool, mode: str, precision: str, networks: Sequence[str], layouts: Sequence[str]
) -> str:
    how = f"{'compiled' if compiled else 'eager'}, {precision}, {mode}"
    return f"{how}, {networks[0]}" if compiled else how


def _measure(
    setting: Setting,
    compiled: bool,
    mode: str,
    precision: str,
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
