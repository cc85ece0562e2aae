# Table 2: ResNet-101, MMPretrain's.
_base_ = ["mmpretrain::_base_/models/resnet101.py", "_base_/imagenet10.py"]
model = dict(head=dict(num_classes=10))
