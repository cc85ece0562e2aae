"""Models whose backbone is not theirs to change."""

from mmengine.config import ConfigDict


def refuse(holder: ConfigDict) -> None:
    """Look for what ties a model to the inside of its backbone.

    Args:
        holder: the part of the model that has the backbone.

    Raises:
        ValueError: saying what it is and what to use instead.
    """
    if holder.backbone.type.split(".")[-1] == "TridentResNet":
        raise ValueError(
            "its backbone, TridentResNet, is the method: the heads expect three branches of one "
            "stage. Take Faster R-CNN or another detector"
        )
    if holder.backbone.type.split(".")[-1] == "ReResNet":
        raise ValueError(
            "its backbone, ReResNet, is the method: neck and RoI head turn maps of eight orientations, "
            "which no other backbone has. Take RoI Transformer or another detector"
        )
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
