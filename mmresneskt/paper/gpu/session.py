"""Run the parts, stage after stage, each for its share of the time that is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mmresneskt.runtime.conditions import as_text
from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.files import write_whole
from mmresneskt.runtime.text_table import format_table

from .parts import Part
from .record import Record
from .work import Setting

_GRACE = 15  # seconds for a training to save, and for torchrun to end its processes
_LEAST = 3  # seconds under which no process is worth starting


def run_session(
    parts: Sequence[Part],
    setting: Setting,
    minutes: float,
    chosen: Collection[str] | None = None,
) -> bool:
    """Run what is missing, and write ``gpu.json`` and ``gpu.md`` after every part.

    Args:
        setting: its ``work`` gets a folder for each part.
        chosen: names of the parts to run, also those that are complete; None for all.

    Returns:
        Whether every part that has its data is complete, or was not chosen.

    Raises:
        UserError: the folder holds a rehearsal's figures and this is none, or the reverse; or
            it cannot be written.
    """
    end = time.monotonic() + 60 * minutes
    (setting.out / "logs").mkdir(parents=True, exist_ok=True)
    outcomes = {part.name: _reason_against(part, setting, chosen) for part in parts}
    waiting = [part for part in parts if not outcomes[part.name]]
    while waiting:
        together = [part for part in waiting if part.stage == waiting[0].stage]
        weights: dict[str, float] = {}
        for part in waiting:
            weights[part.stage] = max(part.weight, weights.get(part.stage, 0))
        share = (end - time.monotonic()) * weights[together[0].stage] / sum(weights.values())
        waiting = [part for part in waiting if part not in together]
        print(f"{', '.join(p.name for p in together)}: up to {max(share, 0):.0f} s", flush=True)
        with ThreadPoolExecutor(len(together)) as pool:
            stop = threading.Event()
            begun = {pool.submit(run_part, part, setting, share, stop): part for part in together}
            try:
                for future in as_completed(begun):
                    name = begun[future].name
                    outcomes[name] = future.result()
                    print(f"{name}: {outcomes[name]}", flush=True)
                    write_report(parts, outcomes, setting.out)
            except BaseException:  # interrupted: else the threads would be waited for
                stop.set()
                raise
    write_report(parts, outcomes, setting.out)
    return all(
        text in ("measured", "measured before", "measured in part", "not chosen")
        or text.startswith("not measured")
        for text in outcomes.values()
    )


def _reason_against(part: Part, setting: Setting, chosen: Collection[str] | None) -> str:
    """Why a part is not run, empty if it is; what is to be measured again is then cleared."""
    path = setting.out / f"{part.name}.json"
    try:
        record = Record(path)
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}; move it away") from error
    content = record.content
    if path.exists() and content.get("rehearsal", setting.rehearse) != setting.rehearse:
        kind = "no" if setting.rehearse else "a"
        raise UserError(f"{path} is {kind} rehearsal's: give another --out")
    if chosen is not None and part.name not in chosen:
        measured = "measured before" if content["complete"] else "measured in part"
        return measured if content["rows"] else "not chosen"
    if part.needs and not setting.rehearse and not getattr(setting, part.needs):
        return f"not measured: no --{part.needs}"
    if content["complete"]:
        if chosen is None:
            return "measured before"
        path.unlink()
    elif path.exists():
        record.update(failed={}, running=None, ended=False)
    return ""


def run_part(part: Part, setting: Setting, seconds: float, stop: threading.Event) -> str:
    """Run a part's process, another where one has broken down, and say what became of it."""
    if seconds < _LEAST:
        return "no time left"
    end = time.monotonic() + seconds
    path = setting.out / f"{part.name}.json"
    command = [*part.argv, str(path), "--work", str(setting.work / part.name)]
    for name in ("bccd", "photos"):
        if getattr(setting, name):
            command += [f"--{name}", str(getattr(setting, name))]
    environment = {**os.environ, **part.environment}
    if setting.rehearse:
        command.append("--rehearse")
        environment["CUDA_VISIBLE_DEVICES"] = ""
    while True:
        tried = Record(path).tried()
        code = _run(command, environment, log_of(part, setting.out), end, stop)
        record = Record(path)
        if record.content["complete"]:
            return "measured"
        if code is None:
            return f"its time was up after {seconds:.0f} s"
        if record.content["running"]:
            record.fail(record.content["running"], f"the process ended with exit code {code}")
        stuck = record.tried() == tried  # at its start, where another would end too
        if record.content["ended"] or stuck or end - time.monotonic() < _LEAST:
            return f"failed with exit code {code}"


def log_of(part: Part, out: Path) -> Path:
    """Where a part's output goes."""
    return out / "logs" / f"{part.name}.log"


def _run(
    command: list[str], environment: dict, log: Path, end: float, stop: threading.Event
) -> int | None:
    """A process's exit code; None where it was ended, with its children, at ``end`` or a stop."""
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while time.monotonic() < end and not stop.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(0.2)
            return None
        finally:  # also of a process that has ended by itself, or when this one is interrupted
            _end_group(process)


def _end_group(process: subprocess.Popen) -> None:
    """End all that are left of a process's group: with a word, and then without."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while time.monotonic() < end:
            process.poll()  # else it stays in the group
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_report(parts: Sequence[Part], outcomes: Mapping[str, str], out: Path) -> None:
    """Write ``gpu.json`` and ``gpu.md`` from the files of the parts.

    Args:
        outcomes: of each part by name, empty where it has not been run yet.

    Raises:
        OSError: they cannot be written.
    """
    found = {}
    for part in parts:
        outcome = outcomes[part.name] or "not run yet"
        content = dict(Record(out / f"{part.name}.json").content, outcome=outcome)
        if outcome.startswith("failed"):
            content["last_line"] = _last_line(log_of(part, out))
        found[part.name] = content
    document = json.dumps(dict(parts=found), indent=1) + "\n"
    write_whole(out / "gpu.json", document.encode())
    lines = ["# Measured by `mmresneskt gpu`"]
    for part in parts:
        lines += ["", f"## {part.title} (`{part.name}`)", "", *_section(found[part.name])]
    write_whole(out / "gpu.md", ("\n".join(lines) + "\n").encode())


def _section(content: dict) -> list[str]:
    lines = [f"{content['outcome'].capitalize()}."]
    if content.get("last_line"):
        lines += ["", f"Last line of its log: `{content['last_line']}`"]
    places = content["conditions"]
    several = len(places) > 1  # figures of several days or cards say which
    rows = [
        [
            *(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row),
            *([content["on"][step] + 1] if several else []),
        ]
        for step, step_rows in content["rows"].items()
        for row in step_rows
    ]
    if rows:
        header = [*content["header"], *(["measured"] if several else [])]
        lines += ["", format_table(header, rows, markdown=True)]
        lines += ["", *(f"{n}. {_sentence(place)}" for n, place in enumerate(places, start=1))]
    if content["failed"]:
        lines += ["", "Failed:", ""]
        lines += [f"- {step}: {message}" for step, message in content["failed"].items()]
    return lines


def _sentence(where: dict) -> str:
    hardware = f"{where['hardware']}; driver {where['driver']}"
    return f"{as_text({**where, 'hardware': hardware})}, CUDA {where['cuda']}."


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
