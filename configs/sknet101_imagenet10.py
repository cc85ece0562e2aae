# Table 2: SKNet-101, timm's 50-layer network with the layers of 101.
_base_ = "sknet50_imagenet10.py"
model = dict(backbone=dict(layers=(3, 4, 23, 3)))
