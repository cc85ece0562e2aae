"""Load checkpoints of fuzzed pickles, and look at every object and at what else happens."""

import contextlib
import pickle
import sys
from collections import Counter, OrderedDict

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from mmresneskt.runtime.checkpoint import CheckpointError, load_file
from tests.support.fuzzed_pickles import Program, write_archive

TYPES = {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, dict}
TYPES |= {OrderedDict, Counter, torch.Tensor, torch.dtype, torch.device, np.ndarray, HistoryBuffer}
# events that leave something behind, and what runs code
LEFT = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")
LEFT += ("os.chmod", "shutil.rmtree", "shutil.copyfile", "shutil.move", "exec", "os.exec")
LEFT += ("os.system", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")
_events = None


def _watch(event, arguments):
    if _events is not None and (
        event in LEFT
        or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
    ):
        _events.append((event, arguments))


sys.addaudithook(_watch)


@contextlib.contextmanager
def watching():
    """What leaves something behind meanwhile."""
    global _events
    _events = []
    try:
        yield _events
    finally:
        _events = None


def assert_plain(value):
    """Every object's exact type is on the list, and only a state dict has an attribute."""
    kind = type(value)
    assert kind in TYPES or isinstance(value, (np.generic, np.dtype)), kind
    if kind is HistoryBuffer:
        assert set(vars(value)) == {"max_length", "_log_history", "_count_history"}
        assert value._log_history.dtype.kind in "iuf"
        return
    if kind is OrderedDict and vars(value):
        assert set(vars(value)) == {"_metadata"}
        versions = value._metadata.values()
        assert all(type(v) is dict and [*map(type, v.values())] == [int] for v in versions)
    if kind is np.ndarray:
        assert value.dtype.kind in "biufcSU"
    if kind is torch.Tensor:
        assert not vars(value)
        assert value.layout is torch.strided
    if isinstance(value, dict):
        for key, item in value.items():
            assert_plain(key)
            assert_plain(item)
    elif kind in (list, tuple, set):
        for item in value:
            assert_plain(item)


def check_programs(folder, seeds):
    """Load a file of each program; return how many are refused."""
    HistoryBuffer()  # the first one fills the class's table
    statistics = dict(HistoryBuffer._statistics_methods)
    load_file(
        write_archive(folder / "x.pth", pickle.dumps({}, 2))
    )  # imports what reading an archive needs
    with watching() as events:
        refused = sum(_is_refused(folder, seed, events) for seed in seeds)
    assert dict(HistoryBuffer._statistics_methods) == statistics
    assert not (folder / "marker").exists()
    return refused


def _is_refused(folder, seed, events):
    file = write_archive(folder / "x.pth", Program(seed, str(folder / "marker")).content())
    events.clear()
    refused = False
    try:
        found = load_file(file, "cpu")
    except CheckpointError:
        refused = True
    else:
        assert type(found) in (dict, OrderedDict)
        assert_plain(found)
        assert_plain(load_file(file))
        text = [found.get("meta"), (found.get("message_hub") or {}).get("runtime_info")]
        assert not any("config" in (part or {}) or "cfg" in (part or {}) for part in text)
    assert events == [], (seed, events)
    return refused
