# Table 3: ResNeSkt-101 in the recipe of faster_rcnn_resneskt50.py. No 101-layer weights of
# the "fast" form are published: this one pools after the 3x3, as those of ResNeSt-101 want.
_base_ = "faster_rcnn_resneskt50.py"
model = dict(
    backbone=dict(
        depth=101,
        stem_channels=128,
        avd_first=False,
        init_cfg=dict(checkpoint="open-mmlab://resnest101"),
    )
)
