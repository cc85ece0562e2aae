"""The page beside published weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from ..text_table import format_table

_SHOWN = 20
_CARD = """\
# {title}

{rows}

Read by `mmresneskt`, which compares the file with the hash in its name:

```bash
mmresneskt test {config} {file}
```
"""
_BACKBONE = """
The backbone alone, as the start of another model:

```python
init_cfg=dict(type="Pretrained", checkpoint="{file}", prefix="backbone.")
```
"""


def model_card(
    file: str,
    size: int,
    digest: str,
    config: str | None,
    model: nn.Module | None,
    weights: dict[str, Tensor],
    averaged: bool,
    trained: dict,
    classes: Sequence[str],
) -> str:
    """Markdown that says what a file of weights is and how it is loaded.

    Args:
        size: in bytes.
        digest: SHA-256 of the file, in hexadecimal digits.
        config, model: by which they were trained, where that is known.
        averaged: the weights are a moving average over the training.
        trained: ``meta`` of the checkpoint.
        classes: their names, where they are known.
    """
    config = config if config is None or "::" in config else Path(config).name
    rows = {"file": f"`{file}`, {size / 1e6:.1f} MB", "SHA-256": f"`{digest}`"}
    if config:
        rows["config"] = f"`{config}`"
    if model is not None:
        backbone = getattr(model, "backbone", None)
        with_backbone = f", backbone {type(backbone).__name__}" if backbone is not None else ""
        rows["model"] = type(model).__name__ + with_backbone
    rows["weights"] = "averaged over the training (EMA)" if averaged else "as trained"
    if trained.get("epoch") is not None:
        rows["weights"] += f", epoch {trained['epoch']}, iteration {trained.get('iter')}"
    types = sorted({str(v.dtype).removeprefix("torch.") for v in weights.values()})
    if model is None:
        count = f"{sum(v.numel() for v in weights.values()):,} with the statistics of the norms"
    else:
        count = f"{sum(p.numel() for p in model.parameters()):,}"
    rows["parameters"] = f"{count}; {', '.join(types)}"
    if classes:
        more = ", ..." if len(classes) > _SHOWN else ""
        rows["classes"] = f"{len(classes)}: {', '.join(map(str, classes[:_SHOWN]))}{more}"
    text = _CARD.format(
        title=Path(file).stem,
        rows=format_table(("", ""), list(rows.items()), markdown=True),
        config=config or "CONFIG",
        file=file,
    )
    if any(key.startswith("backbone.") for key in weights):
        text += _BACKBONE.format(file=file)
    return text
