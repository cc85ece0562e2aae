"""Checkpoint files whose pickles use nothing but the names that a checkpoint may use."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from pathlib import Path

from mmresneskt.runtime.checkpoint.unpickler import _ALLOWED

NAMES = sorted(_ALLOWED)
# attributes and keys that somebody might look up on what was loaded
_WORDS = ["get", "pop", "items", "keys", "config", "cfg", "meta", "state_dict", "message_hub"]
_WORDS += ["runtime_info", "log_scalars", "best_ckpt", "interrupted_ckpt", "keep_ckpt_ids", "state"]
_WORDS += ["__class__", "__dict__", "__setstate__", "__reduce__", "__len__", "_metadata", "version"]
_WORDS += ["f4", "O", "V8", "latin1", "mean", "<", "cpu", "0", "1", "storage", "epoch", "iter"]
_STORAGES = {"Float": 4, "Double": 2, "Half": 8, "Long": 2, "Int": 4, "Byte": 16, "Bool": 16}
"""With how many elements are in 16 bytes."""


class Program:
    """A pickle program, drawn at random: expressions of values, calls and states.

    Args:
        seed: of the draw.
        path: a file that the program would like to touch.
    """

    def __init__(self, seed: int, path: str) -> None:
        self._draw = random.Random(seed)
        self._path = path
        self._out = io.BytesIO()
        self._memos = 0

    def content(self) -> bytes:
        """Half of the programs are of calls that their functions take, half are wild."""
        self._wild = self._draw.random() < 0.5
        self._out.write(pickle.PROTO + b"\x02")
        ordered = self._draw.random() < 0.5
        if ordered:
            self._begin_ordered()
        else:
            self._out.write(pickle.EMPTY_DICT)
        self._out.write(pickle.MARK)
        for word in ("state_dict", "meta", "message_hub", "x"):
            self._text(word)
            self._draw.choice([self._dict, self._dict, self._ordered, self._value])(0)
        self._out.write(pickle.SETITEMS)
        if ordered:
            self._state(1)
        self._out.write(pickle.STOP)
        content = bytearray(self._out.getvalue())
        if self._wild and self._draw.random() < 0.3:  # other opcodes, out of place
            for _ in range(self._draw.randrange(1, 4)):
                content[self._draw.randrange(2, len(content))] = self._draw.randrange(256)
        return bytes(content)

    def _text(self, text: str) -> None:
        data = text.encode()
        self._out.write(pickle.BINUNICODE + len(data).to_bytes(4, "little") + data)

    def _name(self, path: str) -> None:
        module, _, name = path.rpartition(".")
        self._out.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())

    def _value(self, depth: int) -> None:
        kinds = [self._leaf, self._leaf, self._tensor, self._memo, self._array, self._made]
        if self._wild:
            kinds += [self._global, self._call]
        if depth < 5:
            kinds += [self._list, self._dict, self._tuple, self._set, self._history, self._ordered]
        self._draw.choice(kinds)(depth + 1)
        if self._wild and self._draw.random() < 0.1 and depth < 4:
            self._state(depth + 1)
        if self._draw.random() < 0.2 and self._memos < 250:
            self._out.write(pickle.BINPUT + bytes([self._memos]))
            self._memos += 1

    def _leaf(self, depth: int) -> None:
        kind = self._draw.randrange(6)
        if kind == 0:
            self._out.write(self._draw.choice([pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE]))
        elif kind == 1:
            self._out.write(pickle.BININT + self._draw.randbytes(4))
        elif kind == 2:
            self._out.write(pickle.BININT1 + bytes([self._draw.randrange(4)]))
        elif kind == 3:
            self._text(self._path)
        else:
            self._text(self._draw.choice(_WORDS))

    def _global(self, depth: int) -> None:
        self._name(self._draw.choice(NAMES))

    def _memo(self, depth: int) -> None:
        if self._memos:
            self._out.write(pickle.BINGET + bytes([self._draw.randrange(self._memos)]))
        else:
            self._leaf(depth)

    def _some(self, depth: int, most: int = 4) -> None:
        for _ in range(self._draw.randrange(most)):
            self._value(depth)

    def _list(self, depth: int) -> None:
        self._out.write(pickle.EMPTY_LIST + pickle.MARK)
        self._some(depth)
        self._out.write(pickle.APPENDS)

    def _dict(self, depth: int) -> None:
        self._out.write(pickle.EMPTY_DICT)
        self._items(depth)

    def _items(self, depth: int) -> None:
        self._out.write(pickle.MARK)
        for _ in range(self._draw.randrange(4)):
            self._text(self._draw.choice(_WORDS))
            self._value(depth)
        self._out.write(pickle.SETITEMS)

    def _tuple(self, depth: int) -> None:
        self._out.write(pickle.MARK)
        self._some(depth)
        self._out.write(pickle.TUPLE)

    def _set(self, depth: int) -> None:
        self._name("builtins.set")
        self._out.write(pickle.EMPTY_LIST + pickle.MARK)
        for _ in range(self._draw.randrange(4)):
            self._leaf(depth)
        self._out.write(pickle.APPENDS + pickle.TUPLE1 + pickle.REDUCE)

    def _made(self, depth: int) -> None:
        """A call that its function takes."""
        texts = {
            "_codecs.encode": ("abc", "latin1"),
            "torch.device": ("cpu",),
            "builtins.bytes": (),
            "collections.Counter": (),
            "numpy.dtype": ("f8",),
        }
        name = self._draw.choice(sorted(texts))
        self._name(name)
        self._out.write(pickle.MARK)
        for text in texts[name]:
            self._text(text)
        self._out.write(pickle.TUPLE + pickle.REDUCE)

    def _array(self, depth: int) -> None:
        self._name("numpy._core.multiarray._reconstruct")
        self._name("numpy.ndarray")
        self._out.write(pickle.BININT1 + b"\x00" + pickle.TUPLE1)
        self._name("builtins.bytes")
        self._out.write(pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE3 + pickle.REDUCE)
        self._out.write(pickle.MARK + pickle.BININT1 + b"\x01" + pickle.BININT1 + b"\x03")
        self._out.write(pickle.TUPLE1)
        self._name("numpy.dtype")
        self._text(self._draw.choice(["i1", "u1", "b1", "S1", "f4" if self._wild else "u1"]))
        self._out.write(pickle.TUPLE1 + pickle.REDUCE + pickle.NEWFALSE)
        self._name("_codecs.encode")
        self._text("\x00\x01\x02")
        self._text("latin1")
        self._out.write(pickle.TUPLE2 + pickle.REDUCE + pickle.TUPLE + pickle.BUILD)

    def _call(self, depth: int) -> None:
        self._value(depth) if self._draw.random() < 0.1 else self._global(depth)
        self._tuple(depth)
        self._out.write(self._draw.choice([pickle.REDUCE, pickle.REDUCE, pickle.NEWOBJ]))

    def _begin_ordered(self) -> None:
        self._name("collections.OrderedDict")
        self._out.write(pickle.EMPTY_TUPLE + pickle.REDUCE)

    def _ordered(self, depth: int) -> None:
        self._begin_ordered()
        self._items(depth)
        self._state(depth)

    def _history(self, depth: int) -> None:
        self._name("mmengine.logging.history_buffer.HistoryBuffer")
        self._out.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.EMPTY_DICT + pickle.MARK)
        for word in ("_log_history", "_count_history"):
            self._text(word)
            self._value(depth) if self._wild else self._number_array()
        self._text("statistics_methods")
        self._dict(depth)
        self._out.write(pickle.SETITEMS + pickle.BUILD)

    def _number_array(self) -> None:
        wild, self._wild = self._wild, False
        draw, self._draw = self._draw, random.Random(1)  # one of its types of numbers
        self._array(0)
        self._draw, self._wild = draw, wild

    def _state(self, depth: int) -> None:
        self._dict(depth) if not self._wild or self._draw.random() < 0.8 else self._value(depth)
        self._out.write(pickle.BUILD)

    def _tensor(self, depth: int) -> None:
        self._name("torch._utils._rebuild_tensor_v2")
        self._out.write(pickle.MARK + pickle.MARK)
        self._text("storage")
        kind = "Float" if not self._wild else self._draw.choice(sorted(_STORAGES))
        self._name(f"torch.{kind}Storage")
        self._text("0")
        self._text("cpu")
        count = _STORAGES[kind] if self._draw.random() < 0.9 or not self._wild else 3
        self._out.write(pickle.BININT1 + bytes([count]))
        self._out.write(pickle.TUPLE + pickle.BINPERSID)
        self._out.write(pickle.BININT1 + b"\x00")
        for number in (self._draw.randrange(5), self._draw.randrange(2)):
            self._out.write(pickle.BININT1 + bytes([number]) + pickle.TUPLE1)
        self._out.write(pickle.NEWFALSE)
        self._name("collections.OrderedDict")
        self._out.write(pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE)


def write_archive(file: Path, pickled: bytes) -> Path:
    """A file as ``torch.save`` writes it, with this pickle and a storage of 16 bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", bytes(16))
        archive.writestr("archive/version", b"3\n")
    return file
