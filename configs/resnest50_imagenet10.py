# Table 2: ResNeSt-50 in its "fast" form, which MMPretrain lacks and whose size is Table 2's.
_base_ = "resneskt50_imagenet10.py"
model = dict(backbone=dict(spatial_attention=False))
