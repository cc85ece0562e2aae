"""What is good for any run of an MM library, and knows nothing of ResNeSkt."""

from __future__ import annotations


def enable() -> None:
    """Change five things in the installed MM libraries; calling it again changes nothing.

    ``mmcv.ops`` becomes importable, on torchvision's operators, where mmcv has no compiled ones.
    mmengine's checkpoint loaders, and so those of every MM library, run no code of a file.
    ``mmresneskt::NAME.py`` names a config of this package wherever ``mmdet::...`` names one of
    MMDetection's. ``mmpretrain.models`` becomes importable beside any version of transformers,
    without its multimodal models where these cannot be imported. pycocotools reads a few faults of
    annotation files as they must be meant (:func:`mmresneskt.runtime.coco.settle`).
    """
    from . import checkpoint, coco, multimodal, ops
    from .config import installed

    ops.install()
    checkpoint.install()
    installed.install()
    multimodal.install()
    coco.install()
