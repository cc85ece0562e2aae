"""Which maps a backbone puts out, found by running it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm

from ..building import build

_SIDE = 128  # the coarsest of the usual maps, stride 32, still has 4x4 positions


class Map(NamedTuple):
    """One of a backbone's outputs: pixels of the image per position, and channels."""

    stride: int
    channels: int


def maps_of(cfg: Config, backbone: ConfigDict) -> list[Map]:
    """The maps that ``backbone`` puts out in ``cfg``; it is built without its weights.

    Raises:
        ValueError: it cuts the image into patches, puts out something other than maps, or
            cannot be built.
    """
    try:
        model = build(cfg, ConfigDict({**backbone, "init_cfg": None}))
    except Exception as error:  # whatever a stranger's backbone raises
        raise ValueError(f"the backbone {backbone.type} cannot be built: {error}") from error
    if any(type(module).__name__ == "PatchEmbed" for module in model.modules()):
        raise ValueError(
            f"{backbone.type} is a transformer that cuts the image into patches: the optimizer, "
            f"the schedule and often the heads are made for its tokens. Take the ResNet version "
            f"of this config"
        )
    model = revert_sync_batchnorm(model)
    for module in model.modules():
        if getattr(module, "eps", None) == 0:
            module.eps = 1e-5  # some configs have 0, which PyTorch refuses
    model.eval()  # the libraries' ResNets return None
    with torch.no_grad():
        out = model(torch.zeros(1, backbone.get("in_channels", 3), _SIDE, _SIDE))
    out = out if isinstance(out, (list, tuple)) else [out]
    if not all(torch.is_tensor(x) and x.ndim == 4 for x in out):
        raise ValueError(f"{backbone.type} does not put out maps (N, C, H, W)")
    return [Map(round(_SIDE / x.shape[-1]), x.shape[1]) for x in out]
