"""One page about a run: how it went, how good the model is, where it fails."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.model import BaseModel

from ..building import scope_of
from ..checkpoint.integrity import hash_of
from ..conditions import conditions, listed
from ..config.load import load_config
from ..errors import UserError, printable
from ..files import write_whole
from ..pictures.curves import draw_curves, read_scalars
from ..preflight import missing_data
from ..preflight import report as tell
from ..trained import build_model, dataset_meta, load_weights, to_device, weights
from ..work_folder import Checkpoint, checkpoint_of
from .classification import classification_sections, segmentation_sections
from .collect import Collected, collect
from .data import data_section
from .page import Section, plain_text, png, render
from .sources import command_of, config_of

NAME = "report.html"


def write_report(
    work_dir: str | Path, checkpoint: str | None = None, out: str | Path | None = None
) -> Path:
    """Predict for the images of a run's test set, and write what that shows.

    The set is that of ``test_dataloader``, else of ``val_dataloader``, of the config that mmengine
    keeps in the work folder.

    Args:
        checkpoint: the best one of the work folder, else the newest, where it is not given.
        out: ``report.html`` in the work folder where it is not given.

    Returns:
        The file: HTML of less than 10 MB, which needs no other.

    Raises:
        UserError: the folder is that of no run, its data or a checkpoint cannot be read, the model
            is no detector, no segmentor and no classifier of one class, or the file cannot be
            written.
    """
    folder = Path(work_dir)
    config = config_of(folder)
    cfg = load_config(str(config))
    part = next((p for p in ("test", "val") if cfg.get(f"{p}_dataloader")), None)
    if part is None:
        raise UserError(f"config {config} has no test_dataloader and no val_dataloader")
    tell(missing_data(cfg, (part,), "data_root in that config"))
    found = checkpoint_of(folder, checkpoint)
    with scope_of(cfg), plain_text():
        model = _model(cfg, found, str(config))
        classes = dataset_meta(found.content, found.name).get("classes") or []
        collected = collect(cfg, part, model, classes)
        tiles, sections = _evaluated(collected)
        images = len(collected.detected) + len(collected.classified) + collected.segmented
        speed = f"{collected.milliseconds:.1f}"
        tiles |= {"images": images, "ms per image": speed}
        sections = [
            _curves(folder),
            *sections,
            data_section(cfg, collected.dataset, collected.names),
            _speed(collected, model),
            _run(folder, config, found),
        ]
    content = render(printable(folder.absolute().name), tiles, sections)
    try:
        return write_whole(out or folder / NAME, content)
    except OSError as error:
        raise UserError(f"the report cannot be written: {error}") from error


def _model(cfg: Config, checkpoint: Checkpoint, config: str) -> BaseModel:
    model = build_model(cfg, config)
    given = weights(checkpoint.content)
    load_weights(model, given, checkpoint.name, config, extra_allowed=True)
    return to_device(model, None).eval()


def _evaluated(collected: Collected) -> tuple[dict[str, object], list[Section]]:
    if collected.classified:
        return classification_sections(collected)
    if collected.segmented:
        return segmentation_sections(collected)
    from .detection import detection_sections  # needs pycocotools, as MMDetection does

    return detection_sections(collected)


def _curves(folder: Path) -> Section:
    section = Section("Curves")
    try:
        _, evaluation = read_scalars(folder)
        section.figures = [("Metrics and losses of the run", png(draw_curves(folder)))]
    except FileNotFoundError:
        section.notes = ["The work folder holds no log of the training."]
    else:
        if not evaluation:
            section.notes = ["No evaluation was logged while the model was trained."]
    return section


def _speed(collected: Collected, model: BaseModel) -> Section:
    device = next(model.parameters()).device
    return Section(
        "Speed",
        [
            f"{collected.milliseconds:.1f} ms per image on {device} in batches of "
            f"{collected.batch_size}, in float32, measured while predicting: the median of the "
            f"batches, the first left out. Reading and resizing the images does not count; other "
            f"work that the machine did at the time does."
        ],
    )


def _run(folder: Path, config: Path, checkpoint: Checkpoint) -> Section:
    meta = checkpoint.content.get("meta") or {}
    trained = ", ".join(f"{key} {meta[key]}" for key in ("epoch", "iter", "seed") if key in meta)
    now = conditions()
    facts = {
        "command": command_of(folder) or "not in the log",
        "config": config,
        "checkpoint": f"{checkpoint.name} ({trained or 'of no known epoch'})",
        "passed over": "; ".join(checkpoint.skipped),
        "SHA-256": hash_of(checkpoint.name),
        "hardware": now["hardware"],
        "versions": listed(now["versions"]),
        "code": f"commit {now['commit']}",
        "date": now["date"],
    }
    rows = [[name, printable(value)] for name, value in facts.items() if value]
    notes = ["Hardware, versions, code and date are those of this report."]
    return Section("Run", notes, rows=rows)
