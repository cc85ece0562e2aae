"""Where mmengine takes checkpoints from, all read by :func:`load_file`."""

from __future__ import annotations

import hashlib
import os
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from mmengine.fileio import get_file_backend
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import hub

from ..errors import did_you_mean
from ..files import drafted
from .errors import CheckpointError
from .integrity import check_name, named_hash
from .loading import MapLocation, load_file

PATIENCE = 30.0
"""Seconds that a server may take to answer, and to send anything more."""

_CHUNK = 1 << 20
_LONGEST = 200  # bytes of a file's name, with room for what a draft of it adds


def cached_file(url: str, folder: str | Path | None = None) -> Path:
    """Where the file of a URL is, or will be.

    A name with the hash of its content is the file's wherever it comes from, so it is where torch
    hub has it. Any other is in a folder for its URL: another's may have the same name.

    Args:
        folder: of the cache; torch hub's where it is not given.
    """
    folder = Path(folder or Path(hub.get_dir()) / "checkpoints")
    name = Path(urlparse(url).path).name[-_LONGEST:]
    if named_hash(name):
        return folder / name
    own = hashlib.sha256(os.fsencode(url)).hexdigest()[:16]
    return folder / own / (name if name.strip(".") else "weights")


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: MapLocation = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
) -> dict:
    """Download to torch hub's cache, once, and load as :func:`load_file` does.

    Takes the arguments of ``torch.hub.load_state_dict_from_url``. A name that ends in
    ``-<sha256 prefix>`` is always checked against its content; ``-20240131`` is a date. What
    does not come whole, or cannot be loaded then, does not stay in the cache.

    Raises:
        OSError: the download failed, or stood still for ``PATIENCE``; the message says which
            file to put where.
        CheckpointError: the content does not match the hash in its name, or see
            :func:`load_file`.
    """
    path = cached_file(url, model_dir)
    if file_name:
        path = Path(model_dir or path.parent) / file_name
    new = not path.exists()
    if new:
        try:
            _download(url, path, progress)
        except (OSError, HTTPException) as error:
            raise OSError(
                f"{url} cannot be downloaded ({error}). Without network: copy the file to {path}"
            ) from None
    try:
        return load_file(path, map_location)
    except CheckpointError as error:
        if new:  # of some transfers nobody knows the length
            path.unlink(missing_ok=True)
            raise CheckpointError(f"{error} (from {url})") from error
        raise CheckpointError(
            f"{error} (from {url}; it is downloaded again when {path} is deleted)"
        ) from error


def _download(url: str, path: Path, progress: bool) -> None:
    """Get a whole file whose content is what its name says, or nothing."""
    request = Request(url, headers={"User-Agent": "torch.hub"})
    with (
        urlopen(request, timeout=PATIENCE) as answer,
        drafted(path) as draft,
        draft.open("w+b") as file,
        hub.tqdm(total=answer.length, disable=not progress, unit="B", unit_scale=True) as bar,
    ):
        length = answer.length  # None where the server does not say; it falls as one reads
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
        if length is not None and file.tell() < length:
            raise OSError(f"cut off after {file.tell():,} of {length:,} bytes")
        check_name(file, path.name)


def install() -> None:
    """Make mmengine, and so every MM library, load with :func:`load_file`."""
    register = mmengine_checkpoint.CheckpointLoader.register_scheme
    register(prefixes="", loader=load_from_local, force=True)
    register(prefixes=("modelzoo://", "torchvision://"), loader=load_from_torchvision, force=True)
    register(prefixes=("open-mmlab://", "openmmlab://"), loader=load_from_openmmlab, force=True)
    register(prefixes=[r"(\S+\:)?s3://", r"(\S+\:)?petrel://"], loader=load_from_ceph, force=True)
    register(prefixes="pavi://", loader=load_from_pavi, force=True)
    # http:// and mmcls:// end in this function
    mmengine_checkpoint.load_url = load_url


# mmengine prints these functions' names, from the eleventh letter on
def load_from_local(filename: str, map_location: MapLocation = None) -> dict:
    return load_file(filename, map_location)


def load_from_torchvision(filename: str, map_location: MapLocation = None) -> dict:
    url = _look_up(filename, mmengine_checkpoint.get_torchvision_models())
    return mmengine_checkpoint.load_from_http(url, map_location=map_location)


def load_from_openmmlab(filename: str, map_location: MapLocation = None) -> dict:
    models = mmengine_checkpoint.get_external_models()
    renamed = mmengine_checkpoint.get_deprecated_model_names()
    models.update({old: models[new] for old, new in renamed.items() if new in models})
    place = _look_up(filename, models)
    if place.startswith(("http://", "https://")):
        return mmengine_checkpoint.load_from_http(place, map_location=map_location)
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return load_file(
        Path(os.getenv("MMENGINE_HOME", f"{cache}/mmengine")).expanduser() / place, map_location
    )


def load_from_ceph(filename: str, map_location: MapLocation = None) -> dict:
    backend = get_file_backend(filename, backend_args={"backend": "petrel"})
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(urlparse(filename).path).name
        path.write_bytes(backend.get(filename))
        return load_file(path, map_location)


def load_from_pavi(filename: str, map_location: MapLocation = None) -> dict:
    try:
        from pavi import modelcloud
    except ImportError as error:
        raise ImportError(f"{filename} needs the pavi package") from error
    model = modelcloud.get(filename.partition("://")[2])
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(model.name).name
        model.download(str(path))
        return load_file(path, map_location)


def _look_up(filename: str, models: dict[str, str]) -> str:
    name = filename.partition("://")[2]
    if name not in models:
        hint = did_you_mean(name, models)
        raise CheckpointError(f"mmengine knows no weights {filename}.{hint}")
    return models[name]
