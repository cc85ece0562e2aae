# ResNeSt-50 in the place of ResNeSkt-50: nothing else differs.
_base_ = "faster_rcnn_resneskt50_voc.py"
model = dict(backbone=dict(spatial_attention=False))
