# Table 1: ResNeSkt-200 as the paper's first author released it.
_base_ = "resneskt50_author_imagenet10.py"
model = dict(backbone=dict(depth=200, stem_channels=128))
