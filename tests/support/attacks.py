"""Pickles that run code where they are loaded carelessly: each creates a file."""

from __future__ import annotations

import codecs
import functools
import io
import os
import pickle
import runpy
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch.fx import graph_module


class Calls:
    """Unpickling it calls a function with arguments, and sets a state on what that gave."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple:
        return self.call

    def __call__(self) -> None:
        """Pickle asks only whether what gives a function is callable."""


def attacks(marker: Path) -> dict[str, object]:
    """One of each known shape by its name; all of them want to create ``marker``."""
    shell = f"touch {marker}"
    python = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    nested = pickle.dumps(Calls(os.system, shell))
    zipped = io.BytesIO()
    torch.save(Calls(os.system, shell), zipped)
    script = marker.with_name("attack.py")
    script.write_text(python)
    hub = marker.with_name("hub")
    hub.mkdir(exist_ok=True)
    (hub / "hubconf.py").write_text(python)
    array = np.empty(1, object)
    array[0] = Calls(os.system, shell)
    scope = Calls(getattr, HistoryBuffer.mean, "__globals__")
    builtins = Calls(dict.get, scope, "__builtins__")
    return {
        "os.system": Calls(os.system, shell),
        "eval": Calls(eval, python),
        "exec": Calls(exec, python),
        "open": Calls(open, str(marker), "w"),
        "subprocess.Popen": Calls(subprocess.Popen, ["touch", str(marker)]),
        "subprocess.check_output": Calls(subprocess.check_output, ["touch", str(marker)]),
        "runpy": Calls(runpy.run_path, str(script)),
        "torch.hub": Calls(torch.hub._load_local, str(hub), "x"),
        "codecs.open": Calls(codecs.open, str(marker), "w"),
        "partial": Calls(functools.partial(os.system, shell)),
        "map": Calls(list, Calls(map, os.system, [shell])),
        "getattr chain": Calls(Calls(dict.get, builtins, "eval"), python),
        "pickle.loads": Calls(pickle.loads, nested),
        "_load_from_bytes": Calls(torch.storage._load_from_bytes, zipped.getvalue()),
        "object array": array,
        "torch.fx": Calls(graph_module.reduce_graph_module, {"_code": python}, ""),
        "__setstate__": Calls(
            Calls(functools.partial, print, state=(os.system, (shell,), {}, None))
        ),
    }


def raw_attacks(marker: Path) -> dict[str, bytes]:
    """The same by opcodes that ``pickle.dumps`` would not choose, as a file's content."""
    command = f"touch {marker}".encode()
    text = b"X" + len(command).to_bytes(4, "little") + command
    module, name = b"\x8c\x05posix", b"\x8c\x06system"
    return {
        "INST": b"\x80\x02(" + text + b"iposix\nsystem\n.",
        "OBJ": b"\x80\x02(cposix\nsystem\n" + text + b"o.",
        "STACK_GLOBAL": b"\x80\x04" + module + name + b"\x93" + text + b"\x85R.",
        "protocol 0": b"cposix\nsystem\n(S'" + command + b"'\ntR.",
        "tar": tar_attack(command),
    }


def tar_attack(command: bytes) -> bytes:
    """An archive as PyTorch 0.1 wrote it, with a pickle in each of its files."""
    content = b"cposix\nsystem\n(S'" + command + b"'\ntR."
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write_attack(attack, file, legacy=False, place="meta"):
    if isinstance(attack, bytes):
        file.write_bytes(attack)
        return file
    whole = {"state_dict": {"w": torch.ones(2)}, "meta": {"epoch": 1}}
    document = attack if place == "whole" else {**whole, place: {"x": attack}}
    torch.save(document, file, _use_new_zipfile_serialization=not legacy)
    return file
