# Table 3: ResNet-50 in the recipe of faster_rcnn_resneskt50.py, with its own weights and
# image normalisation.
_base_ = "mmdet::resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py"

model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type="ResNet",
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=0,
        norm_cfg=dict(type="SyncBN", requires_grad=True),
        norm_eval=False,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
)
