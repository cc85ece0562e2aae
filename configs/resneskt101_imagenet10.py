# Tables 1 and 2: ResNeSkt-101.
_base_ = "resneskt50_imagenet10.py"
model = dict(backbone=dict(depth=101))
