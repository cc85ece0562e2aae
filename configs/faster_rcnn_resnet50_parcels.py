# ResNet-50 in the place of ResNeSkt-50: nothing else differs.
_base_ = "faster_rcnn_resneskt_parcels.py"
model = dict(backbone=dict(_delete_=True, type="ResNet", depth=50, norm_eval=False))
