"""Runs of several processes, started by the scripts of tools/; each keeps a record."""

import json
import os
import socket
import subprocess
import sys

import torch

from tests.support.helpers import ROOT
from tests.support.python import python

# The embedded detector, smaller. Nothing is drawn at random, and every mean is over as many
# values in one process as in several: all anchors, and all of a fixed number of proposals.
DETECTOR = """
_base_ = "{root}/configs/faster_rcnn_resneskt_parcels.py"
custom_imports = dict(
    imports=["mmresneskt", "mmresneskt.data.detection", "tests.support.recording"]
)
custom_hooks = [dict(type="RecordHook", folder="{folder}")]
randomness = dict(seed=0)
model = dict(
    backbone=dict(depth=14, norm_eval=True),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(pos_iou_thr=0.5, neg_iou_thr=0.5),
            sampler=dict(num=100000, pos_fraction=1.0),
        ),
        rpn_proposal=dict(max_per_img=20),
        rcnn=dict(sampler=dict(num=100, pos_fraction=1.0, add_gt_as_proposals=False)),
    ),
)
train_pipeline = [step for step in _base_.train_pipeline if step["type"] != "RandomFlip"]
train_dataloader = dict(
    batch_size={batch},
    num_workers=0,
    persistent_workers=False,
    dataset=dict(num_images=12, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(num_images=5)
)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-4))
train_cfg = dict(max_epochs={epochs}, val_interval=1)
param_scheduler = []
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=9))
"""
CLASSIFIER = """
_base_ = "{root}/configs/resneskt_parcels10.py"
custom_imports = dict(
    imports=["mmresneskt", "mmresneskt.data.classification", "tests.support.recording"]
)
custom_hooks = [dict(type="RecordHook", folder="{folder}")]
randomness = dict(seed=0)
model = dict(backbone=dict(norm_eval=True))
train_dataloader = dict(
    batch_size={batch}, num_workers=0, dataset=dict(num_images=48, pipeline=_base_.pipeline)
)
val_dataloader = dict(batch_size=16, num_workers=0, dataset=dict(num_images=40))
test_dataloader = val_dataloader
val_cfg = dict(train_dataloader=dict(num_workers=0, dataset=dict(num_images=40)))
train_cfg = dict(max_epochs={epochs})
param_scheduler = []
default_hooks = dict(logger=dict(interval=1))
"""


def write(folder, text, batch, epochs=1):
    """The config of a run that keeps its record, and its work folder, in ``folder``."""
    folder.mkdir(parents=True)
    config = folder / "config.py"
    config.write_text(text.format(root=ROOT, folder=folder, batch=batch, epochs=epochs))
    return config


def start(script, *arguments, **variables):
    """A script of tools/ in the background, as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = dict(PORT=port, PYTHON=sys.executable, PYTHON_EXEC=python())
    environment.update(PYTHONPATH=ROOT, OMP_NUM_THREADS=1, GLOO_SOCKET_IFNAME="lo", **variables)
    return subprocess.Popen(
        [str(ROOT / "tools" / script), *map(str, arguments)],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        cwd=arguments[0].parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    try:
        output = process.communicate(timeout=300)[0]
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its processes, then itself
        output = process.communicate()[0]
    assert process.returncode == 0, output[-3000:]
    return output


def train(config, *options):
    fixed = "--work-dir", config.parent, "--no-report"
    return finish(start("dist_train.sh", config, 2, *fixed, *options))


def record(folder, rank=0):
    return json.loads((folder / f"rank{rank}.json").read_text())


def parameters(folder, rank=0):
    return torch.load(folder / f"rank{rank}.pth", weights_only=True)
