"""The checkpoint that a run goes on from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from mmengine.runner import CheckpointLoader

from ..checkpoint import CheckpointError, read_back, require_resumable
from ..errors import UserError

_NAME = re.compile(r"(epoch|iter)_(\d+)\.pth")


class Resumable(NamedTuple):
    """A checkpoint that can be gone on from.

    Attributes:
        path: of the file, or of the folder.
        meta: what it says of its run: ``epoch``, ``iter``, ``seed``; nothing of a folder.
        skipped: newer ones that were passed over, each with the reason.
    """

    path: str
    meta: dict
    skipped: list[str]


def newest_valid(folder: str | Path, since: float = 0) -> Resumable | None:
    """Find the newest checkpoint of a work folder that can be gone on from.

    First comes the one that ``last_checkpoint`` names, then ``epoch_N.pth`` and ``iter_N.pth``
    beside it and in the folder by N; of these two kinds first the one with the newest file. A
    checkpoint that is a folder (FSDP's sharded state, DeepSpeed) was given its name when it was
    complete, and is taken as it is.

    Args:
        since: leave out what is older than this (seconds since 1970).

    Returns:
        None where there is no checkpoint at all.

    Raises:
        UserError: there are checkpoints, and none can be gone on from.
    """
    skipped: list[str] = []
    for path in _candidates(Path(folder)):
        if since and not (path.exists() and path.stat().st_mtime >= since):
            continue
        try:
            return Resumable(str(path), require(path), skipped)
        except UserError as error:
            skipped.append(str(error))
    if skipped:
        raise UserError(
            f"no checkpoint in {folder} can be gone on from: {'; '.join(skipped)}. To start "
            f"from the beginning, remove them or leave out --resume"
        )
    return None


def require(filename: str | Path) -> dict:
    """What a checkpoint, a file or a URL, says of its run, if that can be gone on with.

    Raises:
        UserError: it cannot.
    """
    try:
        if "://" in str(filename):
            checkpoint = CheckpointLoader.load_checkpoint(filename, map_location="cpu")
        else:
            path = Path(filename).expanduser()
            if path.is_dir():
                return {}
            if not path.is_file():
                raise UserError(f"checkpoint {path} does not exist")
            checkpoint = read_back(path)
        require_resumable(checkpoint, filename)
    except (CheckpointError, OSError) as error:  # of the network
        raise UserError(str(error)) from error
    return checkpoint["meta"]


def _candidates(folder: Path) -> list[Path]:
    pointer = folder / "last_checkpoint"
    named = []
    if pointer.is_file():
        text = pointer.read_bytes().decode(errors="replace").strip("\0 \n")
        named = [Path(text or "the one that the empty last_checkpoint names")]
        here = folder / named[0].name
        if here.exists():  # the folder may have been copied or moved: the original is another run's
            named = [here]
    kinds: dict[str, list[tuple[int, float, Path]]] = {}
    for place in dict.fromkeys([*(path.parent for path in named), folder]):
        for path in place.glob("*.pth"):
            match = _NAME.fullmatch(path.name)
            if match:
                found = (int(match[2]), path.stat().st_mtime, path)
                kinds.setdefault(match[1], []).append(found)
    newest_first = sorted(kinds.values(), key=lambda kind: -max(time for _, time, _ in kind))
    numbered = [path for kind in newest_first for _, _, path in sorted(kind, reverse=True)]
    return list({path.resolve(): path for path in [*named, *numbered]}.values())
