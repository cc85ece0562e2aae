# ResNeSkt-101 with the paper's literal K = 32, R = 2.
_base_ = "resneskt50_2s32x4d_imagenet10.py"
model = dict(backbone=dict(depth=101))
