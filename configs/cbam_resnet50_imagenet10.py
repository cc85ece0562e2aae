# Table 2: ResNet-50+CBAM, which MMPretrain lacks: timm's, through MMPretrain's wrapper.
_base_ = ["mmpretrain::_base_/models/resnet50.py", "_base_/imagenet10.py"]
model = dict(
    backbone=dict(
        _delete_=True,
        type="TIMMBackbone",
        model_name="resnet50",
        block_args=dict(attn_layer="cbam"),
    ),
    head=dict(num_classes=10),
)
