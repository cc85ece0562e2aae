# Faster R-CNN on COCO with the spatial attention as the paper's first author coded it. ResNeSt's
# public weights of 50 layers pool before the 3x3, and so does this network, unlike his.
_base_ = "faster_rcnn_resneskt50.py"
model = dict(backbone=dict(spatial_attention="author"))
