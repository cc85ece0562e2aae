# A Faster R-CNN that trains from scratch on two CPU cores: MMDetection's, with light
# heads, few proposals and AdamW. The configs that build on it bring the data.
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.detection"])

model = dict(
    backbone=dict(_delete_=True, type="ResNeSkt", depth=50),
    neck=dict(out_channels=128),
    rpn_head=dict(in_channels=128, feat_channels=128),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=128),
        bbox_head=dict(in_channels=128, fc_out_channels=512),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=1000, max_per_img=500), rcnn=dict(sampler=dict(num=128))
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=300)),
)

# From scratch: AdamW and clipped gradients. The schedule is the data's.
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=5),
)
randomness = dict(seed=0)

# The boxes travel with the images: there is no COCO file to evaluate against.
pack_with_boxes = dict(
    type="PackDetInputs",
    meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "instances"),
)
test_pipeline = [*_base_.test_pipeline[:-1], pack_with_boxes]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type="CocoMetric", metric="bbox")
test_evaluator = val_evaluator

default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=2))
