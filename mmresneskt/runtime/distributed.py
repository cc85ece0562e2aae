"""Several processes: what mmengine leaves to be done for them on CPUs."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import TypeVar

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, init_dist, is_main_process
from torch import distributed

from .config.tree import nodes
from .errors import UserError, explain

_Value = TypeVar("_Value")


def replace_sync_bn(model: object) -> int:
    """Turn the synchronized norms of a config into BN, in place; return how many there were.

    On CPUs SyncBN cannot run; mmcv's MMSyncBN cannot even be built by a single process.
    """
    found = [node for _, node in nodes(model) if node.get("type") in ("SyncBN", "MMSyncBN")]
    for norm in found:
        norm["type"] = "BN"
    return len(found)


def close_group() -> None:
    """Close the group of processes, once all have come to the same end.

    A process that ends with its group open aborts now and then (gloo, 11 of 60 runs of torch
    2.11), and its launcher takes that for a failure.
    """
    if distributed.is_initialized():
        distributed.barrier()  # one that left early would break what another still waits for
        distributed.destroy_process_group()


def decided(decide: Callable[[], _Value]) -> _Value:
    """What the main process decides, in every process; every one of them has to ask.

    Raises:
        UserError: the main process's, in every process.
    """
    found: list = [None, None]
    if is_main_process():
        try:
            found[0] = decide()
        except UserError as error:
            found[1] = error.args
    broadcast_object_list(found)
    if found[1] is not None:
        raise UserError(*found[1])
    return found[0]


def join_group(cfg: Config) -> None:
    """Meet the other processes of a run, as mmengine would when it builds the runner.

    Where there is no GPU they meet through gloo, which mmengine would try on a GPU.

    Raises:
        UserError: where they are to meet another run is.
    """
    launcher = cfg.get("launcher", "none")
    if launcher == "none" or distributed.is_initialized():
        return
    options = dict(cfg.get("env_cfg", {}).get("dist_cfg") or {})
    try:
        if torch.cuda.is_available() or launcher != "pytorch":
            init_dist(launcher, **options)
            return
        seconds = options.get("timeout")
        limit: dict = dict(timeout=datetime.timedelta(seconds=seconds)) if seconds else {}
        distributed.init_process_group("gloo", **limit)
    except Exception as error:
        if "address already in use" not in str(error).lower():
            raise UserError(explain(error)) from error
        raise UserError(
            f"port {os.environ.get('MASTER_PORT')} is in use, perhaps by another training: set "
            f"MASTER_PORT to a free one, or PORT for the scripts of tools/"
        ) from error


def prepare(cfg: Config) -> None:
    """Make a config for several processes (``launcher`` pytorch) run where there is no GPU.

    SyncBN, which has no CPU form, becomes BN, as mmengine has it for one process.
    """
    if cfg.get("launcher") != "pytorch" or torch.cuda.is_available():
        return
    join_group(cfg)
    wrapper = dict(
        type="MMDistributedDataParallel",
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get("find_unused_parameters", False),
    )
    if not cfg.get("model_wrapper_cfg"):
        cfg.model_wrapper_cfg = wrapper
    if replace_sync_bn(cfg.model) and is_main_process():
        print("SyncBN does not run on CPUs: BN takes its place in every process")
