# Table 2: SKNet-50, which MMPretrain lacks: timm's, through MMPretrain's wrapper.
_base_ = ["mmpretrain::_base_/models/resnet50.py", "_base_/imagenet10.py"]
model = dict(
    backbone=dict(_delete_=True, type="TIMMBackbone", model_name="skresnext50_32x4d"),
    head=dict(num_classes=10),
)
