# Tables 1 and 2: ResNeSkt-50, the default reading.
_base_ = ["mmpretrain::_base_/models/resnet50.py", "_base_/imagenet10.py"]
model = dict(
    backbone=dict(_delete_=True, type="ResNeSkt", depth=50, out_indices=(3,)),
    head=dict(num_classes=10),
)
