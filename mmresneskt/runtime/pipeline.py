"""How a config's own test images reach its model."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from .broken_images import guarded


def test_pipeline(cfg: Config) -> Compose:
    """The transforms of the config's test images, which take ``dict(img_path=..., img_id=...)``.

    Annotations are not looked for. They raise CorruptImage for an image that is not decoded.

    Raises:
        ValueError: the config has no test dataset with a pipeline.
    """
    dataset = (cfg.get("test_dataloader") or {}).get("dataset") or {}
    while dataset and not dataset.get("pipeline"):  # wrappers have none
        dataset = dataset.get("dataset") or next(iter(dataset.get("datasets") or ()), {})
    if not dataset:
        raise ValueError("the config has no test_dataloader with a pipeline for its images")
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmdet")):
        steps = [step for step in dataset["pipeline"] if not _annotates(step)]
        pipeline = Compose(steps)
    pipeline.transforms = guarded(pipeline.transforms)
    return pipeline


def _annotates(step: dict) -> bool:
    return str(step.get("type")).endswith("LoadAnnotations")
