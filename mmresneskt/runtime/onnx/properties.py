"""What an ONNX file says of itself, as texts by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

OLDEST_OPSET = 17
"""Of ONNX's operators; what is written where no other is asked for."""
WHOLE = {"preprocess": "in the graph"}
"""Of a file that takes images as they are."""


def properties_of(cfg: Config, meta: dict, checkpoint: str | None) -> dict[str, str]:
    """How images are normalised, the classes, and the weights' hash.

    Args:
        meta: of the checkpoint's data.
        checkpoint: its file, or a URL, of which there is no hash.
    """
    preprocessor = cfg.model.get("data_preprocessor") or {}
    found = {key: preprocessor[key] for key in ("mean", "std") if preprocessor.get(key)}
    rgb = preprocessor.get("to_rgb") or preprocessor.get("bgr_to_rgb")
    found |= dict(task="features", channels="RGB" if rgb else "BGR")
    found |= {key: list(meta[key]) for key in ("classes", "cat_ids") if meta.get(key)}
    from ..checkpoint.integrity import hash_of  # with torch, which a prediction is without

    if checkpoint and (digest := hash_of(checkpoint)):
        found |= dict(checkpoint=Path(checkpoint).name, checkpoint_sha256=digest)
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}
