# Table 1: ResNeSkt-200.
_base_ = "resneskt50_imagenet10.py"
model = dict(backbone=dict(depth=200))
