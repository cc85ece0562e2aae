# Faster R-CNN on COCO by MMDetection's own ResNeSt recipe (SyncBN in backbone and box
# head, multi-scale 640-800, 1x), with ResNeSkt-50 in ResNeSt-50's place.
_base_ = "mmdet::resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py"
custom_imports = dict(imports=["mmresneskt"])

# Public ResNeSt-50-fast weights fill all but the spatial attention, which starts as the
# identity. RESNEST50_FAST=FILE takes a local copy.
weights = "{{$RESNEST50_FAST:https://github.com/zhanghang1989/ResNeSt/releases/download/weights_step1/resnest50_fast_2s1x64d-44938639.pth}}"

model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNeSkt",
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=0,  # the stem: every stage holds spatial attention yet to be learnt
        norm_cfg=dict(type="SyncBN", requires_grad=True),
        norm_eval=False,
        init_cfg=dict(type="ResNeStPretrained", checkpoint=weights),
    )
)
