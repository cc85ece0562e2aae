# Table 2: ResNeXt-101 32x4d, MMPretrain's.
_base_ = ["mmpretrain::_base_/models/resnext101_32x4d.py", "_base_/imagenet10.py"]
model = dict(head=dict(num_classes=10))
