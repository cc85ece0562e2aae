"""Models whose backbone is not theirs to change."""

from mmengine.config import ConfigDict

_METHODS = {
    "TridentResNet": "the heads expect three branches of one stage. Take Faster R-CNN or another "
    "detector",
    "ReResNet": "neck and RoI head turn its maps of eight orientations, which no other backbone "
    "has. Take RoI Transformer or another detector",
}


def refuse(holder: ConfigDict) -> None:
    """Look for what ties a model to the inside of its backbone.

    Args:
        holder: the part of the model that has the backbone.

    Raises:
        ValueError: saying what it is and what to use instead.
    """
    kind = holder.backbone.type.split(".")[-1]
    if kind in _METHODS:
        raise ValueError(f"its backbone, {kind}, is the method: {_METHODS[kind]}")
    roi_head = holder.get("roi_head") or {}
    stages = roi_head if isinstance(roi_head, list) else [roi_head]
    if any(stage.get("shared_head") for stage in stages):
        raise ValueError(
            "this is a C4 model: its RoI head (roi_head.shared_head) is the fourth stage of the "
            "same ResNet, with that network's weights. Take the FPN or the DC5 version of it"
        )
    necks = holder.get("neck") or {}
    for neck in necks if isinstance(necks, list) else [necks]:
        if neck.get("rfp_backbone"):
            raise ValueError(
                f"its neck, {neck['type']}, feeds maps back into the stages of a DetectoRS_ResNet, "
                f"which no other backbone takes. Take the version without it"
            )
