"""Models that are quick to make."""

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from mmresneskt import ResNeSkt
from mmresneskt.data.parcels import draw_scene
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import ROOT, randomize

SMALL = dict(depth=14, base_channels=16, stem_channels=16)


def small(**arguments):
    torch.manual_seed(0)
    return ResNeSkt(**{**SMALL, **arguments})


PARCELS = str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py")


CLASSIFIER = str(ROOT / "configs" / "resneskt_parcels10.py")


DEPTH = {"model.backbone.depth": 14}


TINY = ["--cfg-options", "model.backbone.depth=14"]


CLASSES = [f"kind {i}" for i in range(10)]


def scene(seed=0, width=160, height=160):
    """A generated image (H, W, 3), BGR."""
    return draw_scene(np.random.default_rng(seed), width, height)[0]


def save_model(file, config=PARCELS, meta=None, random=True, **options):
    """Weights of a small model as a run would leave them."""
    cfg = load_config(config, {**DEPTH, **options})
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    state = (randomize(model) if random else model).state_dict()
    torch.save(dict(state_dict=state, meta=dict(dataset_meta=meta or {})), file)
    return str(file)
