# SEResNeXt-50 32x4d, the paper's SENet-50, in the place of ResNeSkt-50: nothing else differs.
_base_ = "faster_rcnn_resneskt50_voc.py"
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.detection", "mmpretrain.models"])
model = dict(
    backbone=dict(
        _delete_=True,
        type="mmpretrain.SEResNeXt",
        depth=50,
        groups=32,
        width_per_group=4,
        out_indices=(0, 1, 2, 3),
    )
)
