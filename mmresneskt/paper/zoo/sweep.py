"""Swap the backbone of every ResNet-50-based config of a library, and write what became of it."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from mmresneskt.network.resneskt import ResNeSkt
from mmresneskt.network.swap.swap_backbone import swap_backbone
from mmresneskt.runtime.conditions import as_text, conditions, cores
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError, explain
from mmresneskt.runtime.files import write_whole
from mmresneskt.runtime.text_table import format_table

from .configs import LIBRARIES, resnet50_configs, zoo_folder
from .trial import trial

_SECONDS = 600
_AT_ONCE = 8  # at most, as each takes up to 3 GB
_HOW = {
    "mmdet": "128x128, or 256x256 where 900 queries are chosen; the classifier is biased so "
    "that scores pass every threshold; of trackers and semi-supervised models the whole is built "
    "and the detector takes the steps",
    "mmseg": "128x128, a class drawn for every pixel",
    "mmpose": "of the config's own size, one object each, its targets made by the config's own "
    "pipeline",
    "mmrotate": "128x128, with boxes of the kind that the config's own pipeline makes; the "
    "classifier is biased so that scores pass every threshold",
}


def sweep(out: Path, library: str) -> None:
    """Try every config in a process of its own, on a core of its own, and write the table.

    Args:
        library: a key of :data:`LIBRARIES`.

    Raises:
        OSError: it cannot be written.
        UserError: the library is not installed.
    """
    names, unreadable = resnet50_configs(library)
    outcomes: dict[str, str] = {}
    as_it_is: dict[str, str] = {}
    fork = multiprocessing.get_context("fork")
    at_once = min(cores(), _AT_ONCE)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(at_once, fork) as pool:
        weights = Path(folder, "resnest50.pth")
        _in_a_process(_write_weights, weights)
        found = pool.map(partial(_outcomes, weights=weights, library=library), names)
        for number, (name, (why, without)) in enumerate(zip(names, found, strict=True), start=1):
            outcomes[name] = why
            if why:
                as_it_is[name] = without
            print(f"[{number}/{len(names)}] {name}: {why or 'works'}", flush=True)
    write_whole(out, _report(library, outcomes, as_it_is, unreadable).encode())


def _outcomes(name: str, weights: Path, library: str) -> tuple[str, str]:
    """Why the swapped config does not work, and why not as it is; the first empty if it works."""
    torch.set_num_threads(1)
    why = _in_a_process(try_one, name, weights, library)
    return why, why and (_in_a_process(_try_as_it_is, name, library) or "works")


def try_one(name: str, weights: str | Path, library: str = "mmdet", **how: Any) -> None:
    """Swap and try one config; ``how`` is of :func:`trial`."""
    os.chdir(zoo_folder(library).parent)  # some configs name others relative to the library's root
    cfg = load_config(f"{library}::{name}")
    try:
        swapped = swap_backbone(cfg, f"resneskt50:{weights}")
    except ValueError as error:  # as for --backbone: no fault of the swap
        raise UserError(explain(error)) from error
    trial(swapped, **how)


def _try_as_it_is(name: str, library: str) -> None:
    os.chdir(zoo_folder(library).parent)
    trial(load_config(f"{library}::{name}"))


def _write_weights(file: Path) -> None:
    """Weights that stand for the public ones, which a trial need not download."""
    torch.save(ResNeSkt(50, spatial_attention=False).state_dict(), file)


def _in_a_process(function: Callable, *arguments: object) -> str:
    """Why the function failed, empty where it did not.

    In a process of its own, a fork: a crash or a hang ends one trial, and torch and the
    libraries, which take longer than a trial to import, are there already.
    """
    fork = multiprocessing.get_context("fork")
    reader, writer = fork.Pipe(duplex=False)

    def child() -> None:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        try:
            function(*arguments)
            writer.send("")
        except Exception as error:  # whatever a model raises is the outcome
            writer.send(f"{type(error).__name__}: {error}")

    process = fork.Process(target=child)
    process.start()
    writer.close()
    try:
        if not reader.poll(_SECONDS):
            return f"not done after {_SECONDS} s"
        return reader.recv()
    except EOFError:
        process.join()
        return f"the process ended with exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()


def _report(
    library: str, outcomes: dict[str, str], as_it_is: dict[str, str], unreadable: dict[str, str]
) -> str:
    failed = {name: why for name, why in outcomes.items() if why}
    works = len(outcomes) - len(failed)
    refused = sum(why.startswith("UserError") for why in failed.values())
    where = conditions()
    where["versions"][library] = import_module(library).__version__
    folders = Counter(Path(name).parent.name for name, why in outcomes.items() if not why)
    lines = [
        f"# ResNeSkt-50 in every ResNet-50-based config of {LIBRARIES[library]}",
        "",
        f"{works} of {len(outcomes)} configs ({works / max(len(outcomes), 1):.1%}) are built, take "
        f"three training steps and predict after the swap, on synthetic images ({_HOW[library]}). "
        "Instead of the public weights a file of the same shape is loaded.",
        "",
        f"Made by `mmresneskt sweep`, {as_text(where)}.",
        "",
        "## Those that do, by folder",
        "",
        ", ".join(f"{folder} {count}" for folder, count in folders.items()),
    ]
    if failed:
        rows = [[n, w, "the same" if as_it_is[n] == w else as_it_is[n]] for n, w in failed.items()]
        lines += [
            "",
            "## Those that do not",
            "",
            f"A swap makes no sense for {refused} of the {len(failed)}: a UserError says why.",
            "",
            format_table(("config", "why", "without the swap"), rows, markdown=True),
        ]
    if unreadable:
        lines += [
            "",
            f"## Not counted, since {LIBRARIES[library]} itself cannot read them",
            "",
            *(f"- {name}: {' '.join(why.split())}" for name, why in unreadable.items()),
        ]
    return "\n".join(lines) + "\n"
