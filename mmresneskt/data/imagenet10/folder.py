"""The output folder: whole files only, one run at a time, and never another's contents."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from mmresneskt.runtime.files import lock_folder

SETTINGS = "settings.json"
PARTIAL = ".partial"  # files that are being written, by process
_PATIENCE = 10.0  # seconds for the workers of a killed run to end


class Unfinished(Exception):
    """The folder is not to be written, or not now; the message says why."""


def put(folder: Path, path: str, data: bytes) -> None:
    """Write ``folder / path`` whole or not at all.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    draft = folder / PARTIAL / str(os.getpid())
    try:
        draft.write_bytes(data)
        os.replace(draft, folder / path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class Folder:
    """An output folder, held from ``__enter__`` to ``__exit__``.

    Args:
        path: new, empty, or begun with the same settings.
        settings: everything that the bytes depend on, JSON.

    Raises:
        Unfinished: on entering: it has other contents, was begun with other settings, or
            another run is writing into it. Nothing is changed then.
        OSError: on entering: it cannot be made.
    """

    def __init__(self, path: Path, settings: dict) -> None:
        self.path = path
        self._settings = settings

    def __enter__(self) -> Folder:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = lock_folder(self.path, _PATIENCE)
        except BlockingIOError:
            raise Unfinished(f"another run is writing into {self.path}: let it end") from None
        try:
            self._check()
            shutil.rmtree(self.path / PARTIAL, ignore_errors=True)
            (self.path / PARTIAL).mkdir()
            try:
                self.put_if_new(SETTINGS, json.dumps(self._settings, indent=2) + "\n")
            except BaseException:
                self._clear()
                raise
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        self._unlock()

    def put_if_new(self, path: str, text: str) -> bool:
        """Write a text file unless it is as it should be; return whether it was not."""
        data = text.encode()
        target = self.path / path
        if target.is_file() and target.read_bytes() == data:
            return False
        put(self.path, path, data)
        return True

    def _check(self) -> None:
        names = sorted(entry.name for entry in os.scandir(self.path) if entry.name != PARTIAL)
        if not names:
            return
        if SETTINGS not in names:
            raise Unfinished(
                f"{self.path} has other contents ({', '.join(names[:3])}"
                f"{', ...' if names[3:] else ''}): name a folder that is new or empty"
            )
        try:
            begun = json.loads((self.path / SETTINGS).read_text())
        except ValueError:
            begun = None
        if not isinstance(begun, dict) or "names_sha256" not in begun:
            raise Unfinished(
                f"{self.path} has other contents, {SETTINGS} is not this command's: "
                f"name a folder that is new or empty"
            )
        different = [
            f"{key} {begun.get(key)}, now {self._settings.get(key)}"
            for key in sorted({*begun, *self._settings})
            if begun.get(key) != self._settings.get(key)
        ]
        if different:
            raise Unfinished(
                f"{self.path} was begun with other settings ({'; '.join(different)}): "
                f"use the same, or another folder"
            )

    def _clear(self) -> None:
        shutil.rmtree(self.path / PARTIAL, ignore_errors=True)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
