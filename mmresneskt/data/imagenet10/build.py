"""Make the images of a plan in worker processes, then the lists and the manifest.

Every file appears whole, so what is there is done: a run that was cut off needs nothing else
to go on.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import PIL
from rich.console import Console
from rich.progress import track

from mmresneskt.runtime.decoding import CorruptImage, decode_rgb, read_file
from mmresneskt.runtime.errors import UserError, printable
from mmresneskt.runtime.files import folder_locked, remove_drafts, write_whole

from .images import QUALITY, SIZE, crop, encode, surround, vary
from .plan import FACTORS, MAX_ROTATION, Job
from .source import SYNSETS

_SIDES = ("train", "test")
_SETTINGS = "settings.json"
_DRAFTS = ".partial"  # images that are being written, by process
_PATIENCE = 10.0  # seconds for the workers of a killed run to end


class Made(NamedTuple):
    """The manifest, how many images were not there yet, and source -> why it is corrupt."""

    lines: list[dict]
    written: int
    corrupt: dict[str, str]


def build(
    base: Path, out: Path, jobs: list[Job], settings: dict, workers: int, max_corrupt: int
) -> Made:
    """Write what is missing of the outputs of all jobs, and the lists.

    The bytes do not depend on the number of workers, nor on how often a run was cut off.

    Args:
        base, out: the folders that sources and outputs are relative to.
        settings: what the jobs were made from, ``classes`` (a key of :data:`SYNSETS`) among it,
            and ``keep_originals``: copy images byte for byte instead of cropping them.
        max_corrupt: images that may be left out because they cannot be decoded.

    Raises:
        UserError: the folder is another's, or more than ``max_corrupt`` images are corrupt.
        OSError: a source cannot be read, or the disk is full.
        BrokenProcessPool: a worker was killed.
    """
    names = "\n".join(job.source for job in jobs).encode()
    look = dict(size=SIZE, quality=QUALITY, max_rotation=MAX_ROTATION, factors=list(FACTORS))
    sources = dict(images=len(jobs), names_sha256=hashlib.sha256(names).hexdigest())
    make = functools.partial(_make, base=base, out=out, keep=settings["keep_originals"])
    out.mkdir(parents=True, exist_ok=True)
    with folder_locked(out, _PATIENCE):
        _begin(out, dict(format=1, **settings, **look, pillow=PIL.__version__, **sources))
        try:
            made = _make_all(make, jobs, workers, max_corrupt)
        finally:
            shutil.rmtree(out / _DRAFTS, ignore_errors=True)
        _write_lists(out, made, SYNSETS[settings["classes"]])
    return made


def _begin(out: Path, settings: dict) -> None:
    """Note the settings in a new folder; in one that is begun they must be the same."""
    remove_drafts(out / _SETTINGS)
    names = sorted(path.name for path in out.iterdir())
    try:
        begun = json.loads((out / _SETTINGS).read_bytes()) if names else settings
        begun = {"classes": "paper", **begun}  # there was no other choice before 0.2.0
        other = [f"{k} {begun.get(k)}, now {v}" for k, v in settings.items() if begun.get(k) != v]
    except (OSError, ValueError, TypeError):
        raise UserError(
            f"{out} has other contents ({', '.join(names[:3])}{', ...' if names[3:] else ''}): "
            f"name a folder that is new or empty"
        ) from None
    if other:
        raise UserError(
            f"{out} was begun with other settings ({'; '.join(other)}): "
            f"use the same, or another folder"
        )
    if not names:
        write_whole(out / _SETTINGS, json.dumps(settings, indent=2).encode() + b"\n")
    wnids = SYNSETS[settings["classes"]]
    for folder in (out / _DRAFTS, *(out / side / wnid for side in _SIDES for wnid in wnids)):
        folder.mkdir(parents=True, exist_ok=True)


def _make_all(make: Callable[[Job], Made], jobs: list[Job], workers: int, allowed: int) -> Made:
    # a forked worker has the imports already, which take longer than many an image
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    bar: dict = dict(total=len(jobs), console=Console(stderr=True), disable=not sys.stderr.isatty())
    lines, written, corrupt = [], 0, dict[str, str]()
    try:
        results = pool.map(make, jobs, chunksize=8)  # forks, so before the bar has its thread
        for made in track(results, "images", **bar):
            lines += made.lines
            written += made.written
            corrupt |= made.corrupt
            if len(corrupt) > allowed:
                raise UserError(
                    f"more corrupt images than --max-corrupt {allowed} allows:",
                    *(f"  {source}: {why}" for source, why in list(corrupt.items())[:10]),
                    "replace them and start again, or allow more; what is made is kept",
                )
    finally:
        pool.shutdown(cancel_futures=True)
    return Made(sorted(lines, key=lambda line: line["path"]), written, corrupt)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when it was killed instead of waiting for work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent: Any = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _make(job: Job, base: Path, out: Path, keep: bool) -> Made:
    """Make what is missing of one source's outputs; nothing of a source that is corrupt."""
    try:
        data = read_file(base / job.source)
    except CorruptImage as error:
        return Made([], 0, {job.source: str(error)})
    source = dict(source=job.source, source_sha256=hashlib.sha256(data).hexdigest())
    lines, written, surrounded = [], 0, None
    for output in job.outputs:
        path = out / output.path
        image = path.read_bytes() if path.is_file() else b""
        copied = keep and not output.look
        # a machine that loses power can leave a name without the content behind it
        if not image.endswith(b"\xff\xd9"):
            try:
                surrounded = surrounded or surround(decode_rgb(data))
            except CorruptImage as error:
                return Made([], 0, {job.source: str(error)})
            view = vary(surrounded, output.look) if output.look else crop(surrounded)
            image = data if copied else encode(view)
            draft = out / _DRAFTS / str(os.getpid())
            draft.write_bytes(image)
            os.replace(draft, path)
            written += 1
        look = output.look._asdict() if output.look else {}
        transform = {} if copied else dict(crop=SIZE, **look)
        made = dict(seed=output.seed, sha256=hashlib.sha256(image).hexdigest())
        lines.append(dict(path=output.path, **source, transform=transform, **made))
    return Made(lines, written, {})


def _write_lists(out: Path, made: Made, synsets: dict[str, str]) -> None:
    labels = {wnid: i for i, wnid in enumerate(synsets)}
    texts = {"classes.txt": "".join(f"{name}\n" for name in synsets.values())}
    for side in _SIDES:
        paths = (line["path"].split("/") for line in made.lines)
        texts[f"{side}.txt"] = "".join(f"{w}/{n} {labels[w]}\n" for s, w, n in paths if s == side)
    texts["corrupt.txt"] = "".join(
        f"{printable(f'{path}: {why}')}\n" for path, why in made.corrupt.items()
    )
    # last, so that where it is the set is complete
    texts["manifest.jsonl"] = "".join(f"{json.dumps(line)}\n" for line in made.lines)
    for name, text in texts.items():
        remove_drafts(out / name)
        if text:
            write_whole(out / name, text.encode())
        else:
            (out / name).unlink(missing_ok=True)
