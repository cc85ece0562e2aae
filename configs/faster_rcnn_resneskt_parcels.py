# The embedded default: generated packages on a conveyor, ten kinds, no data to fetch.
#   mmresneskt train mmresneskt::faster_rcnn_resneskt_parcels.py
_base_ = "_base_/small_detector.py"

data_root = "data/parcels"
size = (160, 160)
max_epochs = 5

# Fourteen layers and half the pyramid's channels: in the minutes that two cores need, more epochs
# teach more than more layers do. Packages are 35 to 77 pixels long in these images: anchors start
# at 24, and a package is pooled from the second level of the pyramid, where that costs a quarter.
model = dict(
    backbone=dict(depth=14),
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[6])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, finest_scale=20),
        bbox_head=dict(in_channels=64, num_classes=10, reg_class_agnostic=True),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=300, max_per_img=150),
        rcnn=dict(sampler=dict(num=64, pos_fraction=0.5)),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=size),
    dict(type="RandomFlip", prob=[0.25, 0.25], direction=["horizontal", "vertical"]),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=size),
    dict(type="LoadAnnotations", with_bbox=True),
    {{_base_.pack_with_boxes}},
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type="ParcelsDataset",
        data_root=data_root,
        num_images=760,
        size=size,
        seed=0,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type="ParcelsDataset",
        data_root=data_root,
        num_images=100,
        size=size,
        seed=1,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=max_epochs, val_interval=2)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type="CosineAnnealingLR",
        T_max=max_epochs,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=4)
