"""Tables 1 to 3 as the paper prints them, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmresneskt.network.swap.backbones import BACKBONES

CONFIGS = Path(__file__).parents[1] / ".mim" / "configs"


@dataclass(frozen=True)
class Row:
    """One row: parameters in M, multiply-accumulates in G at 224x224, top-1 in per cent.

    ``code`` is what the author's own code has, as thop counts it: M / G. His rows carry the paper's
    figures: which network these are for is not known.
    """

    name: str
    label: str
    params: float
    macs: float
    top1: float
    code: str = "-"


@dataclass(frozen=True)
class DetectionRow:
    """One row of Table 3: box AP on COCO in per cent, the paper's and MMDetection's own.

    Its name is that of a backbone to swap in. The paper has five rows; ResNeSt-101 is here
    because its 44.72 is that network's.
    """

    name: str
    ap: float | str
    public: float | str

    @property
    def label(self) -> str:
        return BACKBONES[self.name].label


_RESNESKT50 = Row("resneskt50", "ResNeSkt-50", 27.6, 4.32, 81.39)
_RESNESKT101 = Row("resneskt101", "ResNeSkt-101", 48.3, 8.19, 81.74)
_AUTHOR50 = Row("resneskt50_author", "ResNeSkt-50, author", 27.6, 4.32, 81.39, "27.49 / 5.43")
_AUTHOR101 = Row("resneskt101_author", "ResNeSkt-101, author", 48.3, 8.19, 81.74, "48.28 / 10.29")

TABLES = {
    "table1": (
        _RESNESKT50,
        _RESNESKT101,
        Row("resneskt200", "ResNeSkt-200", 70.1, 13.99, 82.05),
        # the same rows in the literal reading of "k, r = 32, 2"
        Row("resneskt50_2s32x4d", "ResNeSkt-50, K = 32", 27.6, 4.32, 81.39),
        Row("resneskt101_2s32x4d", "ResNeSkt-101, K = 32", 48.3, 8.19, 81.74),
        Row("resneskt200_2s32x4d", "ResNeSkt-200, K = 32", 70.1, 13.99, 82.05),
        # as the author released them
        _AUTHOR50,
        _AUTHOR101,
        Row("resneskt200_author", "ResNeSkt-200, author", 70.1, 13.99, 82.05, "70.22 / 17.58"),
    ),
    "table2": (
        Row("resnet50", "ResNet-50", 25.5, 4.14, 75.06),
        Row("resnext50", "ResNeXt-50", 25.0, 4.24, 76.63),
        Row("senet50", "SENet-50", 27.7, 4.25, 77.76),
        Row("sknet50", "SKNet-50", 27.5, 4.47, 78.14),
        Row("resnest50", "ResNeSt-50", 27.5, 4.25, 80.06),
        Row("cbam_resnet50", "ResNet-50+CBAM", 28.1, 4.36, 77.34),
        _RESNESKT50,
        _AUTHOR50,
        Row("resnet101", "ResNet-101", 44.5, 7.87, 76.26),
        Row("resnext101", "ResNeXt-101", 44.3, 7.99, 77.82),
        Row("senet101", "SENet-101", 49.2, 8.00, 78.35),
        Row("sknet101", "SKNet-101", 48.9, 8.46, 78.78),
        Row("resnest101", "ResNeSt-101", 48.3, 8.07, 80.53),
        Row("cbam_resnet101", "ResNet-101+CBAM", 49.3, 8.05, 77.86),
        _RESNESKT101,
        _AUTHOR101,
    ),
}

TABLE3 = (
    DetectionRow("resnet50", 37.30, 37.4),
    DetectionRow("resnext50", 40.10, "-"),
    DetectionRow("senet50", 41.90, "-"),
    DetectionRow("resnest50", 44.72, 42.0),
    DetectionRow("resneskt50", 45.53, "-"),
    DetectionRow("resneskt50_author", 45.53, "-"),
    DetectionRow("resnest101", "-", 44.5),
    DetectionRow("resneskt101", "-", "-"),
)
