# Table 3: ResNeSt-101 in the recipe of faster_rcnn_resneskt50.py, with the weights of ResNeSkt-101.
_base_ = "faster_rcnn_resneskt101.py"
model = dict(backbone=dict(spatial_attention=False))
