"""Checkpoints load without running code, or with a line that says why not.

mmengine calls ``torch.load`` bare. From torch 2.6 on that refuses the classes that
mmengine itself writes into a checkpoint, so a run cannot resume; before 2.6 it unpickles
anything, so a stranger's file can run code. Here every checkpoint, from a file, a URL or
any of mmengine's other schemes, goes one way: one reader verifies the checksums of the records
that it reads (:mod:`.archive`), an unpickler makes nothing but values (:mod:`.unpickler`), these
become plain ones (:mod:`.plain`), and of what the file says about its run there stays what a run
needs (:mod:`.run_state`). A file that needs more is refused; there is no second, unsafe try.
"""

from .errors import CheckpointError
from .integrity import named_hash
from .loading import load_file, read_back, require_resumable, trust
from .schemes import cached_file, install, load_url

__all__ = [
    "CheckpointError",
    "cached_file",
    "install",
    "load_file",
    "load_url",
    "named_hash",
    "read_back",
    "require_resumable",
    "trust",
]
