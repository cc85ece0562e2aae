# Table 2: ResNet-50, MMPretrain's.
_base_ = ["mmpretrain::_base_/models/resnet50.py", "_base_/imagenet10.py"]
model = dict(head=dict(num_classes=10))
