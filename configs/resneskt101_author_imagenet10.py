# Tables 1 and 2: ResNeSkt-101 as the paper's first author released it.
_base_ = "resneskt50_author_imagenet10.py"
model = dict(backbone=dict(depth=101, stem_channels=128))
