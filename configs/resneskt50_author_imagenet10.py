# Tables 1 and 2: ResNeSkt-50 as the paper's first author released it.
_base_ = "resneskt50_imagenet10.py"
model = dict(backbone=dict(spatial_attention="author", avd_first=False))
