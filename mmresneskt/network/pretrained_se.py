"""timm's SE-ResNeXt weights for MMPretrain's SEResNeXt, for which MMPretrain has none."""

from __future__ import annotations

import re

from mmengine.logging import print_log
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn


@WEIGHT_INITIALIZERS.register_module(name="TimmSEPretrained", force=True)
class TimmSEPretrained:
    """``init_cfg=dict(type='TimmSEPretrained', checkpoint=PATH_OR_URL)``.

    The two name the layers alike but for the squeeze and excitation. The classifier is
    left out.

    Raises:
        RuntimeError: an entry is missing, unknown or of another shape.
    """

    def __init__(self, checkpoint: str, map_location: str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        source = CheckpointLoader.load_checkpoint(self.checkpoint, self.map_location)
        state = source.get("state_dict", source)
        renamed = {
            re.sub(r"\.se\.fc([12])\.", r".se_layer.conv\1.conv.", key): value
            for key, value in state.items()
            if not key.startswith("fc.")
        }
        module.load_state_dict(renamed, strict=True)
        print_log(f"{self.checkpoint}: {len(renamed)} entries loaded", logger="current")
