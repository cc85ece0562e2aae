# Table 2: SENet-50, whose size is that of MMPretrain's SEResNeXt-50 32x4d.
_base_ = ["mmpretrain::_base_/models/seresnext50_32x4d.py", "_base_/imagenet10.py"]
model = dict(head=dict(num_classes=10))
