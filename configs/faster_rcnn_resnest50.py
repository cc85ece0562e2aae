# Table 3: ResNeSt-50-fast in the recipe of faster_rcnn_resneskt50.py, with the same weights.
_base_ = "faster_rcnn_resneskt50.py"
model = dict(backbone=dict(spatial_attention=False))
