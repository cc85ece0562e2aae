"""A config of a classifier that trains in seconds, and its images."""

import cv2
import numpy as np

CLASSIFIER = """
_base_ = 'mmpretrain::_base_/default_runtime.py'
custom_imports = dict(imports=['mmresneskt'])
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNeSkt', depth=14),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=2048,
              loss=dict(type='CrossEntropyLoss')))
data_preprocessor = dict(num_classes=2)
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
dataset = dict(type='CustomDataset', data_root='images', pipeline=pipeline)
train_dataloader = dict(batch_size=2, num_workers=0, dataset=dataset,
                        sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(batch_size=2, num_workers=0, dataset=dataset,
                      sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=1)
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
"""


def write_images(folder, count):
    """``dark/0.png`` and on, ``light/0.png`` and on, each of one grey."""
    for name, value in (("dark", 20), ("light", 220)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image = np.full((48, 48, 3), value + index, np.uint8)
            cv2.imwrite(str(folder / name / f"{index}.png"), image)
