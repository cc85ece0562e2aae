"""What a part has measured so far: a file that is whole after every step."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mmresneskt.runtime.conditions import conditions
from mmresneskt.runtime.files import write_whole

_EMPTY: dict[str, Any] = dict(
    header=[], rows={}, failed={}, on={}, conditions=[], running=None, ended=False, complete=False
)


class Record:
    """A part's steps by name: the rows of those that are done, and why others failed.

    The file's content is :attr:`content`:

    - ``rows``: for each step done, rows of cells as ``header`` has them;
    - ``on``: for each step done, which of ``conditions`` it was measured in;
    - ``failed``: for each step that raised, the message;
    - ``running``: the step that was begun and has not come to an end;
    - ``ended``: every step was tried; ``complete``: and none failed.

    Args:
        path: the JSON file; it need not be there yet.

    Raises:
        OSError, ValueError: the file cannot be read, or is no JSON.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = json.loads(path.read_text()) if path.exists() else {}
        # lists and dicts of its own
        self.content = {**json.loads(json.dumps(_EMPTY)), **found}

    def tried(self) -> int:
        """How many steps have come to an end."""
        return len(self.content["rows"]) + len(self.content["failed"])

    def has(self, step: str) -> bool:
        """Whether a step has come to an end."""
        return step in self.content["rows"] or step in self.content["failed"]

    def start(self, header: Sequence[str], rehearsal: bool) -> None:
        """Note where and when the next steps are measured."""
        here = dict(**conditions(), cuda=torch.version.cuda, driver=_driver())
        known = self.content["conditions"]
        if here not in known:
            known.append(here)
        self._here = known.index(here)
        self.update(header=list(header), rehearsal=rehearsal)

    def add(self, step: str, rows: Sequence[Sequence[object]]) -> None:
        """Keep a step's rows."""
        self.content["rows"][step] = [list(row) for row in rows]
        self.content["on"][step] = self._here
        self.update(running=None)

    def fail(self, step: str, message: str) -> None:
        """Keep why a step has no rows."""
        self.content["failed"][step] = message
        self.update(running=None)

    def update(self, **content: object) -> None:
        """Change the content, and write it."""
        self.content.update(content)
        write_whole(self.path, (json.dumps(self.content, indent=1) + "\n").encode())


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version,memory.total,power.limit,clocks.max.sm"]
    try:
        done = subprocess.run(
            [*query, "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown: no nvidia-smi"
    return "; ".join(done.stdout.split("\n")).strip("; ") or "unknown"
