"""Run the parts, one after the other, each for its share of the time that is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from mmresneskt.runtime.errors import UserError

from .parts import Part
from .record import Record
from .report import write_report
from .work import Setting

_GRACE = 15  # seconds for a training to save, and for torchrun to end its processes
_LEAST = 3  # seconds under which no process is worth starting


def run_session(
    parts: Sequence[Part], setting: Setting, minutes: float, chosen: Collection[str] = ()
) -> bool:
    """Run what is missing, and write ``gpu.json`` and ``gpu.md`` after every part.

    Args:
        setting: its ``work`` gets a folder for each part.
        chosen: names of the parts to run, also those that are complete; all where it is empty.

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
        part = waiting[0]
        share = (end - time.monotonic()) * part.weight / sum(p.weight for p in waiting)
        print(f"{part.name}: up to {max(share, 0):.0f} s", flush=True)
        if share > _LEAST:
            outcomes[part.name] = run_part(part, setting, share)
        else:
            outcomes[part.name] = "no time left"
        print(f"{part.name}: {outcomes[part.name]}", flush=True)
        waiting.pop(0)
        write_report(parts, outcomes, setting.out)
    write_report(parts, outcomes, setting.out)
    return all(
        text in ("measured", "measured before", "not chosen") or text.startswith("not measured")
        for text in outcomes.values()
    )


def _reason_against(part: Part, setting: Setting, chosen: Collection[str]) -> str:
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
    if chosen and part.name not in chosen:
        return "measured before" if content["complete"] else "not chosen"
    if part.needs and not setting.rehearse and not getattr(setting, part.needs):
        return f"not measured: no --{part.needs}"
    if content["complete"]:
        if not chosen:
            return "measured before"
        path.unlink()
    elif path.exists():
        record.update(failed={}, running=None, ended=False)
    return ""


def run_part(part: Part, setting: Setting, seconds: float) -> str:
    """Run a part's process, another where one has broken down, and say what became of it."""
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
        code = _run(command, environment, log_of(part, setting.out), end - time.monotonic())
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


def _run(command: list[str], environment: dict, log: Path, seconds: float) -> int | None:
    """A process's exit code; None where it was ended, with its children, after ``seconds``."""
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
            return process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
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
