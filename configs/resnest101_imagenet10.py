# Table 2: ResNeSt-101 in its "fast" form.
_base_ = "resnest50_imagenet10.py"
model = dict(backbone=dict(depth=101))
