"""What of a checkpoint is given away: weights and the names of the classes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import torch
from torch import Tensor

from .errors import CheckpointError
from .safetensors_file import safetensors_bytes

_AVERAGED = ("state_dict_ema", "model_ema")  # of timm and its descendants

_REPEATED, _SMALL = 4, 1 << 26  # times that shared weights may be written, and bytes beyond


def published_weights(checkpoint: dict) -> tuple[dict[str, Tensor], bool]:
    """The weights to publish, contiguous and each in memory of its own, and are they averaged?

    Averages over the training (EMA) are preferred; mmengine's EMAHook has put them in the
    place of the last weights already. Types stay as they are.

    Raises:
        CheckpointError: there are none, or there is something else among them.
    """
    kept_apart = next((key for key in _AVERAGED if checkpoint.get(key)), None)
    state = checkpoint[kept_apart] if kept_apart else checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError("the checkpoint holds no weights")
    weights: dict[str, Tensor] = {}
    stored: dict[int, int] = {}
    size = 0
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            raise CheckpointError(f"its entry {key} is no dense tensor, so it is not published")
        storage = value.untyped_storage()
        stored[storage.data_ptr()] = storage.nbytes()
        size += value.numel() * value.element_size()
        if size > _REPEATED * sum(stored.values()) + _SMALL:
            raise CheckpointError("its weights repeat what is stored many times")
        plain = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        weights[str(key).removeprefix("module.")] = plain
    return weights, bool(kept_apart or "ema_state_dict" in checkpoint)


def published_bytes(weights: dict[str, Tensor], dataset_meta: dict, form: str) -> bytes:
    """A file's content, the same bytes each time for the same weights.

    Args:
        dataset_meta: names of the classes and the like.
        form: "safetensors" or "pth".

    Raises:
        CheckpointError: ``dataset_meta`` holds more than plain values, or safetensors is not
            installed.
    """
    try:
        plain = json.loads(json.dumps(dataset_meta, default=_plain, sort_keys=True))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"its meta['dataset_meta'] cannot be published: {error}") from error
    if form == "safetensors":
        return safetensors_bytes(weights, plain)
    buffer = io.BytesIO()
    torch.save(dict(state_dict=weights, meta=dict(dataset_meta=plain)), buffer)
    return buffer.getvalue()


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):  # of NumPy
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no plain value")
