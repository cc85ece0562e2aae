"""The weights to start from: public ones where they can be had."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.runner import CheckpointLoader

from mmresneskt.network.swap.find import find_backbone, split_name
from mmresneskt.runtime.errors import UserError, explain


def with_weights(backbone: str) -> tuple[str, str]:
    """A backbone with the weights that it starts from, and a line that says so.

    Args:
        backbone: ``NAME``, whose public weights are tried; or ``NAME:WEIGHTS``, which stays.

    Raises:
        UserError: no such backbone, or the weights are there and cannot be used.
    """
    name, given = split_name(backbone)
    try:
        known = find_backbone(name)
    except ValueError as error:
        raise UserError(f"--backbone: {explain(error)}") from error
    if given:
        return backbone, f"weights: {'none, from scratch' if given == 'none' else given}"
    if not known.weights:
        return f"{name}:none", f"weights: from scratch, since there are no public ones of {name}"
    local = os.environ.get(known.local_copy)
    if local:
        if not Path(local).is_file():
            raise UserError(f"{known.local_copy}={local} does not exist")
        return f"{name}:{Path(local).resolve()}", f"weights: {local}"
    try:
        CheckpointLoader.load_checkpoint(known.weights, map_location="cpu")
    except OSError:  # of the network
        by_hand = f", or name a copy in {known.local_copy}" if known.local_copy else ""
        return f"{name}:none", (
            f"weights: from scratch, since {known.weights} cannot be downloaded: expect less from "
            f"few images, and train longer{by_hand}"
        )
    except Exception as error:  # a file that is no checkpoint
        raise UserError(explain(error)) from error
    return name, f"weights: {known.weights}"
