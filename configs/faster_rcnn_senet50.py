# Table 3: SENet-50, as in Table 2 an SEResNeXt-50 32x4d, in the recipe of
# faster_rcnn_resneskt50.py, with its own weights and image normalisation. MMPretrain has no
# weights for it: these are timm's.
_base_ = "mmdet::resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py"
custom_imports = dict(imports=["mmresneskt", "mmpretrain.models"])

weights = "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/seresnext50_32x4d_racm-a304a460.pth"

model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type="mmpretrain.SEResNeXt",
        depth=50,
        groups=32,
        width_per_group=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=0,
        norm_cfg=dict(type="SyncBN", requires_grad=True),
        norm_eval=False,
        zero_init_residual=False,  # else MMPretrain zeroes norms that the weights have filled
        init_cfg=dict(type="TimmSEPretrained", checkpoint=weights),
    ),
)
