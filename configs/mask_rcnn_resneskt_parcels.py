# The embedded default with a mask for each package: generated, no data to fetch.
#   mmresneskt train mmresneskt::mask_rcnn_resneskt_parcels.py
_base_ = "faster_rcnn_resneskt_parcels.py"

model = dict(
    type="MaskRCNN",
    roi_head=dict(
        mask_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=0),
            out_channels=64,
            featmap_strides=[4, 8, 16, 32],
            finest_scale=20,
        ),
        mask_head=dict(
            type="FCNMaskHead",
            num_convs=2,
            in_channels=64,
            conv_out_channels=64,
            num_classes=10,
            loss_mask=dict(type="CrossEntropyLoss", use_mask=True),
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_size=28)),
    test_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)

with_masks = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)
train_pipeline = [
    with_masks if step["type"] == "LoadAnnotations" else step for step in _base_.train_pipeline
]
test_pipeline = [
    with_masks if step["type"] == "LoadAnnotations" else step for step in _base_.test_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric=["bbox", "segm"])
test_evaluator = val_evaluator
