"""Which figures a table of results has, of the paper and measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The columns of a table that differ between classification and detection."""

    printed: tuple[tuple[str, str, str], ...]
    """Of a row as others print it: header, attribute of the row, key in the JSON file."""
    shown: tuple[tuple[str, str], ...]
    """Of a run: header, figure."""
    kept: tuple[str, ...]
    """Figures that the JSON file keeps beside those that are shown."""
    note: str
    """What a reader must know to compare them."""

    @property
    def figures(self) -> tuple[str, ...]:
        return (*(figure for _, figure in self.shown), *self.kept)


CLASSIFICATION = Layout(
    printed=(("paper top-1 (%)", "top1", "paper_top1"),),
    shown=(
        ("measured top-1 (%)", "top1"),
        ("loss", "loss"),
        ("top-1 on the training images (%)", "train_top1"),
    ),
    kept=("train_loss",),
    note="The paper's figures are for ten classes of ImageNet-1K, 100 epochs at 224x224. More "
    "than one seed: mean ± sample standard deviation.",
)
DETECTION = Layout(
    printed=(("paper AP", "ap", "paper_ap"), ("publicly known AP", "public", "public_ap")),
    shown=(
        ("AP", "ap"),
        ("AP50", "ap50"),
        ("AP75", "ap75"),
        ("AP small", "ap_small"),
        ("AP medium", "ap_medium"),
        ("AP large", "ap_large"),
        ("parameters (M)", "params"),
    ),
    kept=(),
    note="Box AP as COCO defines it, in per cent. The paper's figures and the publicly known are "
    "for COCO; the paper's come from several recipes, and its 44.72 is what ResNeSt's authors "
    "give for 101 layers. Publicly known: of MMDetection's own configs, ResNet-50 by its 1x "
    "recipe, ResNeSt by the recipe that this table's COCO rows follow. More than one seed: mean ± "
    "sample standard deviation. -1: no object of that size.",
)
