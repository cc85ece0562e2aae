# ResNeXt-50 32x4d in the place of ResNeSkt-50: nothing else differs.
_base_ = "faster_rcnn_resneskt50_voc.py"
model = dict(
    backbone=dict(_delete_=True, type="ResNeXt", depth=50, groups=32, base_width=4, norm_eval=False)
)
