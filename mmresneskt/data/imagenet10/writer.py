"""Make every output in worker processes, then the lists and the manifest."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import PIL

from .folder import Folder, Unfinished
from .images import QUALITY, SIZE
from .journal import JOURNAL, MANIFEST, Record, append, manifest, read_records
from .plan import FACTORS, MAX_ROTATION, Job
from .synsets import SYNSETS
from .work import Corrupt, Maker

CORRUPT = "corrupt.txt"
_SPLITS = ("train", "test")
_CHUNK = 8  # sources per message to a worker
_MEAN = 30_000  # bytes of an output, of photographs


@dataclass(frozen=True)
class Result:
    """What a run did.

    Attributes:
        counts: split -> number of images listed.
        changed: whether anything had to be written.
        corrupt: (source, reason) of the images left out, sorted.
    """

    counts: dict[str, int]
    changed: bool
    corrupt: list[tuple[str, str]]


def prepare(
    maker: Maker,
    jobs: list[Job],
    settings: dict,
    workers: int = 1,
    max_corrupt: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Result:
    """Write everything the jobs ask for, or what is missing of it, and the lists.

    The bytes depend on the sources, the jobs and the versions in the settings, not on
    the number of workers nor on how often a run was interrupted.

    Args:
        settings: what the jobs were made from; together with the versions of code and
            Pillow they must be the same whenever the folder is gone on with.
        max_corrupt: images that may be left out because they cannot be decoded.
        advance: called after each job.

    Raises:
        Unfinished: the folder is another's, see :class:`Folder`, or more than
            ``max_corrupt`` images are corrupt.
        OSError: a source cannot be read, or the disk is full or will be.
        BrokenProcessPool: a worker was killed.
    """
    with Folder(maker.out, _describe(maker, jobs, settings)) as folder:
        for split in _SPLITS:
            for wnid in SYNSETS:
                (folder.path / split / wnid).mkdir(parents=True, exist_ok=True)
        before = read_records(folder.path)
        _check_space(folder.path, [job for job in jobs if job.source not in before])
        records, corrupt, changed = {}, [], False
        with contextlib.closing(_results(maker, jobs, before, workers)) as results:
            for job, result in zip(jobs, results):
                if result is None:
                    records[job.source] = before[job.source]
                elif isinstance(result, Record):
                    append(folder.path, result)
                    records[job.source] = result
                    changed = True
                else:
                    corrupt.append((result.source, result.reason))
                    if len(corrupt) > max_corrupt:
                        raise Unfinished(_too_many(corrupt, max_corrupt))
                advance()
        changed |= _finish(folder, jobs, records, maker.keep_originals, corrupt)
        (folder.path / JOURNAL).unlink(missing_ok=True)
    paths = [path for record in records.values() for path in record.outputs]
    counts = {split: sum(p.startswith(f"{split}/") for p in paths) for split in _SPLITS}
    return Result(counts, changed, corrupt)


def _describe(maker: Maker, jobs: list[Job], settings: dict) -> dict:
    sources = "\n".join(job.source for job in jobs)
    return dict(
        format=1,
        **settings,
        keep_originals=maker.keep_originals,
        size=SIZE,
        quality=QUALITY,
        max_rotation=MAX_ROTATION,
        factors=list(FACTORS),
        pillow=PIL.__version__,
        images=len(jobs),
        names_sha256=hashlib.sha256(sources.encode()).hexdigest(),
    )


def _results(
    maker: Maker, jobs: list[Job], before: dict[str, Record], workers: int
) -> Iterator[Record | Corrupt | None]:
    # a forked worker has the imports already, which take longer than many an image
    method = "fork" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    done = [before.get(job.source) for job in jobs]
    try:
        with _interrupts_ignored():  # which the workers that this starts inherit
            results = pool.map(maker, jobs, done, chunksize=_CHUNK)
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Have this worker end when its parent was killed, instead of waiting for work."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _check_space(folder: Path, jobs: list[Job]) -> None:
    needed = _MEAN * sum(len(job.outputs) for job in jobs)
    free = shutil.disk_usage(folder).free
    if free < needed / 2:
        raise OSError(
            f"{folder} has {free / 1e6:.0f} MB free; what is to be written needs about "
            f"{needed / 1e6:.0f} MB: make room, or name a folder on another disk"
        )


def _too_many(corrupt: list[tuple[str, str]], allowed: int) -> str:
    lines = [f"\n  {source}: {reason}" for source, reason in corrupt[:10]]
    return (
        f"more corrupt images than --max-corrupt {allowed} allows:{''.join(lines)}\n"
        f"replace them and start again, or allow more; what is made is kept"
    )


def _finish(
    folder: Folder,
    jobs: list[Job],
    records: dict[str, Record],
    keep_originals: bool,
    corrupt: list[tuple[str, str]],
) -> bool:
    """Write the lists, and last the manifest; return whether any was not there yet."""
    labels = {wnid: i for i, wnid in enumerate(SYNSETS)}
    paths = sorted(path for record in records.values() for path in record.outputs)
    texts = {}
    for split in _SPLITS:
        names = [p[len(split) + 1 :] for p in paths if p.startswith(f"{split}/")]
        texts[f"{split}.txt"] = "".join(f"{n} {labels[n.split('/')[0]]}\n" for n in names)
    texts["classes.txt"] = "".join(f"{name}\n" for name in SYNSETS.values())
    if corrupt:
        texts[CORRUPT] = "".join(f"{source}: {reason}\n" for source, reason in corrupt)
    else:
        (folder.path / CORRUPT).unlink(missing_ok=True)
    texts[MANIFEST] = manifest(jobs, records, keep_originals)
    written = [folder.put_if_new(name, text) for name, text in texts.items()]
    return any(written)
