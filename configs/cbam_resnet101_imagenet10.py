# Table 2: ResNet-101+CBAM, timm's.
_base_ = "cbam_resnet50_imagenet10.py"
model = dict(backbone=dict(model_name="resnet101"))
