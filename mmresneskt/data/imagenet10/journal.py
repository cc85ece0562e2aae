"""What is done: a line per source while a run is under way, the manifest after it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .images import SIZE
from .plan import Job, Output

JOURNAL = "journal.jsonl"
MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class Record:
    """A finished source: its sha256, and that of each output by path."""

    source: str
    source_sha256: str
    outputs: dict[str, str]


def append(folder: Path, record: Record) -> None:
    """Note that a source's files are in place, for the run after an interruption."""
    # the newline comes first and ends the line that a killed run may have torn
    with open(folder / JOURNAL, "ab") as file:
        file.write(b"\n" + json.dumps(asdict(record)).encode())


def read_records(folder: Path) -> dict[str, Record]:
    """Source -> record, of the manifest and the journal; what cannot be read is not done."""
    records: dict[str, Record] = {}
    for line in _lines(folder / MANIFEST, {"source", "source_sha256", "path", "sha256"}):
        record = Record(line["source"], line["source_sha256"], {})
        records.setdefault(record.source, record).outputs[line["path"]] = line["sha256"]
    for line in _lines(folder / JOURNAL, {"source", "source_sha256", "outputs"}):
        if isinstance(line["outputs"], dict):
            records[line["source"]] = Record(line["source"], line["source_sha256"], line["outputs"])
    return records


def manifest(jobs: Iterable[Job], records: dict[str, Record], keep_originals: bool) -> str:
    """The manifest's text: a JSON line per output of the jobs that have a record, by path."""
    lines = {}
    for job in jobs:
        record = records.get(job.source)
        for output in job.outputs if record else ():
            lines[output.path] = dict(
                path=output.path,
                source=job.source,
                source_sha256=record.source_sha256,
                transform=_transform(output, keep_originals),
                seed=output.seed,
                sha256=record.outputs[output.path],
            )
    return "".join(json.dumps(lines[path]) + "\n" for path in sorted(lines))


def _transform(output: Output, keep_originals: bool) -> dict:
    if output.look:
        return dict(crop=SIZE, **asdict(output.look))
    return {} if keep_originals else dict(crop=SIZE)


def _lines(file: Path, keys: set[str]) -> Iterable[dict]:
    """The objects with these keys in a JSON lines file; torn lines and no file give none."""
    if not file.is_file():
        return
    for line in file.read_bytes().splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and keys <= values.keys():
            yield values
